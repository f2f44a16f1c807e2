#include "tests/preload/library/fake_agent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <stdexcept>

namespace egress {
namespace {

UnixMillis now_ms() { return SystemClock().now_ms(); }

void require(bool held, const char* what) {
  if (!held) throw std::runtime_error(std::string("fake agent: ") + what + ": " + std::strerror(errno));
}

}  // namespace

FakeAgent::FakeAgent(const std::filesystem::path& runtime_dir, std::uint64_t session_id)
    : path_(runtime_dir / kAgentSocketName), session_id_(session_id) {
  arena_ = std::move(ArenaWriter::create(session_id)).value();
  listen();
}

FakeAgent::FakeAgent(const std::filesystem::path& runtime_dir, LinkedStack stack)
    : path_(runtime_dir / kAgentSocketName), session_id_(1) {
  arena_ = std::move(ArenaWriter::create(session_id_)).value();
  publish(std::move(stack));
  listen();
}

void FakeAgent::listen() {
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path_.string();
  require(text.size() < sizeof address.sun_path, "socket path too long");
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  require(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  require(::listen(listener_.get(), 128) == 0, "listen");
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  stop_read_ = UniqueFd(ends[0]);
  stop_write_ = UniqueFd(ends[1]);
  thread_ = std::thread([this] { serve(); });
}

FakeAgent::~FakeAgent() {
  stop_write_.reset();
  thread_.join();
  ::unlink(path_.c_str());
}

void FakeAgent::publish(LinkedStack stack, UnixMillis valid_until_ms) {
  const std::lock_guard lock(mutex_);
  stack_ = std::move(stack);
  require(arena_->publish(stack_, valid_until_ms, now_ms()).has_value(), "publish");
}

void FakeAgent::lose_arena(UnixMillis valid_until_ms) {
  const std::lock_guard lock(mutex_);
  arena_->set_valid_until(valid_until_ms);
  arena_.reset();
  known_.clear();
}

void FakeAgent::begin_arena(LinkedStack stack, std::uint64_t session_id) {
  const std::lock_guard lock(mutex_);
  arena_ = std::move(ArenaWriter::create(session_id)).value();
  session_id_ = session_id;
  stack_ = std::move(stack);
  require(arena_->publish(stack_, kFarFuture, now_ms()).has_value(), "publish");
}

void FakeAgent::script_hello(HelloScript script) {
  const std::lock_guard lock(mutex_);
  hello_ = std::move(script);
}

void FakeAgent::script_lookup(const std::string& name, LookupScript script) {
  const std::lock_guard lock(mutex_);
  lookup_scripts_[name] = std::move(script);
}

void FakeAgent::forget_processes() {
  const std::lock_guard lock(mutex_);
  known_.clear();
}

void FakeAgent::bind(const std::string& name, Address address) {
  const std::lock_guard lock(mutex_);
  arena_->bind(name, {&address, 1}, -1, stack_.names, now_ms());
}

std::vector<RingEvent> FakeAgent::events() {
  const std::lock_guard lock(mutex_);
  for (const auto& ring : rings_) {
    ring->drain(now_ms(), [this](const RingEvent& event) { events_.push_back(event); });
  }
  return events_;
}

std::uint64_t FakeAgent::dropped() {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& ring : rings_) sum += ring->dropped();
  return sum;
}

std::size_t FakeAgent::hellos() {
  const std::lock_guard lock(mutex_);
  return hello_fields_.size();
}

std::vector<std::vector<std::string>> FakeAgent::hello_fields() {
  const std::lock_guard lock(mutex_);
  return hello_fields_;
}

std::vector<std::string> FakeAgent::lookups() {
  const std::lock_guard lock(mutex_);
  return lookups_;
}

std::vector<Bind> FakeAgent::binds() {
  const std::lock_guard lock(mutex_);
  return binds_;
}

void FakeAgent::serve() {
  for (;;) {
    pollfd polls[2] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    if (::poll(polls, 2, -1) < 0) continue;
    if (polls[1].revents != 0) return;
    UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    const std::lock_guard lock(mutex_);
    answer(connection.get());
    if (hello_.silent) held_.push_back(std::move(connection));
  }
}

void FakeAgent::answer(int connection) {
  std::vector<std::byte> bytes(kMaxRequestBytes);
  const ssize_t got = ::recv(connection, bytes.data(), bytes.size(), 0);
  if (got <= 0) return;
  bytes.resize(static_cast<std::size_t>(got));
  ucred peer{};
  socklen_t size = sizeof peer;
  ::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  const auto request = decode_request(bytes);
  if (!request) {
    reply(connection, {.status = static_cast<std::uint16_t>(ReplyStatus::kRefused)}, request.error().message);
    return;
  }
  if (request->kind == RequestKind::kHello) {
    answer_hello(connection, *request, peer.pid);
  } else if (!known_.contains(peer.pid)) {
    reply(connection, {.status = static_cast<std::uint16_t>(ReplyStatus::kUnknownProcess)}, "");
  } else if (request->kind == RequestKind::kLookup) {
    answer_lookup(connection, *request);
  } else if (request->kind == RequestKind::kBind) {
    answer_bind(connection, *request);
  }
}

void FakeAgent::answer_hello(int connection, const Request& request, pid_t process) {
  std::vector<std::string> fields(request.fields.begin(), request.fields.end());
  hello_fields_.push_back(std::move(fields));
  if (hello_.silent) return;
  if (hello_.garbage) {
    ::send(connection, "no reply", 8, MSG_NOSIGNAL);
    return;
  }
  ReplyHeader header;
  header.status = static_cast<std::uint16_t>(hello_.status);
  header.session_id = session_id_;
  header.text_bytes = static_cast<std::uint32_t>(hello_.text.size());
  header.no_policy = static_cast<std::uint8_t>(hello_.no_policy);
  if (hello_.status != ReplyStatus::kOk || !hello_.with_descriptors || arena_ == nullptr) {
    if (arena_ == nullptr) header.status = static_cast<std::uint16_t>(ReplyStatus::kRefused);
    reply(connection, header, hello_.text);
    return;
  }
  known_.insert(process);
  rings_.push_back(std::make_unique<RingReader>(std::move(create_ring()).value()));
  reply(connection, header, hello_.text, {arena_->fd(), rings_.back()->fd()});
}

void FakeAgent::answer_lookup(int connection, const Request& request) {
  const std::string name(request.field(HelloField::kServer));
  lookups_.push_back(name);
  const LookupScript& script = lookup_scripts_[name];
  ReplyHeader header;
  std::string body;
  for (const std::string& query : script.queries) body += query + '\0';
  header.text_bytes = static_cast<std::uint32_t>(body.size());
  header.query_count = static_cast<std::uint16_t>(script.queries.size());
  header.address_count = static_cast<std::uint16_t>(script.addresses.size());
  body.resize((body.size() + 7) / 8 * 8);
  const auto* bytes = reinterpret_cast<const char*>(script.addresses.data());
  body.append(bytes, script.addresses.size() * sizeof(Address));
  reply(connection, header, body);
}

void FakeAgent::answer_bind(int connection, const Request& request) {
  Bind bound{std::string(request.field(HelloField::kServer)),
             std::vector<Address>(request.addresses.size() / sizeof(Address))};
  std::memcpy(bound.addresses.data(), request.addresses.data(), request.addresses.size());
  arena_->bind(bound.name, bound.addresses, -1, stack_.names, now_ms());
  binds_.push_back(std::move(bound));
  reply(connection, {}, "");
}

void FakeAgent::reply(int connection, ReplyHeader header, const std::string& body,
                      const std::vector<int>& descriptors) {
  iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(2 * sizeof(int))] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* first = CMSG_FIRSTHDR(&message);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ::sendmsg(connection, &message, MSG_NOSIGNAL);
}

}  // namespace egress
