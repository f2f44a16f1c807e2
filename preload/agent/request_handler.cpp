#include "preload/agent/request_handler.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "preload/agent/policy_file.h"
#include "preload/agent/policy_file_name.h"
#include "preload/agent/pool_work.h"
#include "preload/agent/sealed_text.h"
#include "shared/policy/namespace_path.h"

namespace asio = boost::asio;

namespace egress {
namespace {

// Opened anew read-only, so that the receiver can neither map nor write through it what the agent can.
Expected<UniqueFd> open_read_only(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  UniqueFd copy(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!copy) return fail(ErrorCode::kUnavailable, std::string("cannot share the arena: ") + std::strerror(errno));
  return copy;
}

// A policy file that was handed over and holds.
struct CheckedPolicy {
  Sha256 digest{};
  PolicyRegistry::Text text;
};

Expected<CheckedPolicy> check_policy(int fd, std::string_view namespace_path) {
  auto text = read_sealed_text(fd, kMaxPolicyFileBytes);
  if (!text) return tl::unexpected(text.error());
  const PolicyFile file = parse_policy_file(*text, namespace_path);
  if (!file.problems.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the policy file is refused: " + describe_problem(file.problems.front()));
  }
  CheckedPolicy checked;
  checked.digest = sha256(*text);
  checked.text = std::make_shared<const std::string>(std::move(*text));
  return checked;
}

std::vector<Address> read_addresses(std::span<const std::byte> bytes) {
  std::vector<Address> addresses(bytes.size() / sizeof(Address));
  if (!addresses.empty()) std::memcpy(addresses.data(), bytes.data(), addresses.size() * sizeof(Address));
  return addresses;
}

Reply render_lookup(const LookupAnswer& answer) {
  Reply reply;
  for (const std::string& query : answer.queries) {
    reply.body += query;
    reply.body += '\0';
  }
  reply.header.text_bytes = static_cast<std::uint32_t>(reply.body.size());
  reply.header.query_count = static_cast<std::uint16_t>(answer.queries.size());
  reply.header.address_count = static_cast<std::uint16_t>(answer.addresses.size());
  reply.body.resize((reply.body.size() + 7) / 8 * 8, '\0');
  const char* addresses = reinterpret_cast<const char*>(answer.addresses.data());
  reply.body.append(addresses, answer.addresses.size() * sizeof(Address));
  return reply;
}
static_assert(sizeof(ReplyHeader) + kMaxLookupQueries * (kMaxHostNameBytes + 1) + 8 +
                  kMaxLookupAddresses * sizeof(Address) <=
              kMaxReplyBytes);

}  // namespace

RequestHandler::RequestHandler(SessionTable& sessions, ProcessTable& processes, LaunchTrees& trees,
                               const LaunchJournal& journal, SyncServices& services, SessionDefaults defaults,
                               Files files, std::function<std::string(uid_t)> render_status)
    : sessions_(sessions),
      processes_(processes),
      trees_(trees),
      journal_(journal),
      services_(services),
      defaults_(std::move(defaults)),
      hosts_(std::move(files.hosts), HostsFile::parse),
      resolver_(std::move(files.resolver), ResolverConfig::parse),
      render_status_(std::move(render_status)) {}

asio::awaitable<Reply> RequestHandler::handle(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received) {
  const auto request = decode_request(received->bytes);
  if (!request) co_return make_refusal(ReplyStatus::kRefused, request.error().message);
  switch (request->kind) {
    case RequestKind::kHello:
      co_return co_await hello(peer, received);
    case RequestKind::kLookup:
      co_return lookup(peer, *request);
    case RequestKind::kBind:
      co_return bind(peer, *request);
    case RequestKind::kStatus:
      co_return status(peer);
    case RequestKind::kLaunch:
      co_return co_await launch(peer, received);
    case RequestKind::kPolicy:
      co_return co_await register_policy(peer, received);
  }
  co_return make_refusal(ReplyStatus::kRefused, "unknown request");
}

asio::awaitable<Reply> RequestHandler::hello(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received) {
  const auto refuse = [](const Error& error) { return make_refusal(ReplyStatus::kRefused, error.message); };
  const auto request = decode_request(received->bytes);
  if (!request) co_return refuse(request.error());
  const auto launch = trees_.find(peer);
  if (!launch) co_return refuse(launch.error());
  auto found = find_session(peer, *launch, *request);
  if (!found) co_return refuse(found.error());
  // Held by value: the table may end the session while this waits.
  const std::shared_ptr<Session> session = (*found)->session;
  const std::shared_ptr<PolicySource> source = (*found)->source;
  auto ring = create_ring();
  if (!ring) co_return refuse(ring.error());
  UniqueFd for_process(::fcntl(ring->get(), F_DUPFD_CLOEXEC, 0));
  if (!for_process) {
    co_return make_refusal(ReplyStatus::kRefused, std::string("cannot share the ring: ") + std::strerror(errno));
  }
  auto arena = open_read_only(session->arena().fd());
  if (!arena) co_return refuse(arena.error());
  if (auto added = processes_.add(peer, session, std::move(*ring)); !added) co_return refuse(added.error());

  co_await source->wait_for_policy();

  Reply reply = make_refusal(ReplyStatus::kOk, source->describe_absence());
  reply.header.session_id = session->id();
  reply.header.no_policy = static_cast<std::uint8_t>(session->policy()->cause);
  reply.descriptors.push_back(std::move(*arena));
  reply.descriptors.push_back(std::move(for_process));
  co_return reply;
}

Expected<SessionEntry*> RequestHandler::find_session(const PeerProcess& peer, const Launch* launch,
                                                     const Request& hello) {
  auto identity = make_session_identity(launch != nullptr ? launch->hello() : hello, peer.uid, defaults_);
  if (!identity) return tl::unexpected(identity.error());
  return sessions_.find_or_create(std::move(*identity));
}

asio::awaitable<Reply> RequestHandler::launch(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received) {
  const auto request = decode_request(received->bytes);
  if (!request) co_return make_refusal(ReplyStatus::kRefused, request.error().message);
  const auto outer = trees_.find(peer);
  if (!outer) co_return make_refusal(ReplyStatus::kRefused, outer.error().message);
  const bool nested = *outer != nullptr;
  const auto session = find_session(peer, *outer, *request);
  if (!session) co_return make_refusal(ReplyStatus::kRefused, session.error().message);
  Reply reply = make_refusal(ReplyStatus::kOk, (*session)->session->workload().namespace_path);
  reply.header.session_id = (*session)->session->id();
  reply.header.nested = nested ? 1 : 0;
  if (nested) co_return reply;

  Launch launch{peer.key, peer.uid, {}};
  for (std::size_t i = 0; i < kHelloFieldCount; ++i) launch.fields[i] = request->fields[i];
  if (auto added = trees_.add(launch); !added) co_return make_refusal(ReplyStatus::kRefused, added.error().message);
  auto work = [&journal = journal_, launch = std::move(launch)] { return journal.save(launch); };
  const auto saved = co_await run_on_pool(services_.pool, std::move(work));
  if (saved) co_return reply;
  // Or the command would change its session when the agent is restarted.
  trees_.remove(peer.key);
  co_return make_refusal(ReplyStatus::kRefused, saved.error().message);
}

asio::awaitable<Reply> RequestHandler::register_policy(PeerProcess peer,
                                                       std::shared_ptr<const ReceivedRequest> received) {
  const auto request = decode_request(received->bytes);
  if (!request) co_return make_refusal(ReplyStatus::kRefused, request.error().message);
  const std::string_view given = request->field(HelloField::kNamespace);
  const auto home = parse_namespace_path(given.empty() ? kDefaultNamespace : given);
  if (!home) co_return make_refusal(ReplyStatus::kRefused, home.error().message);
  if (!received->descriptor) co_return make_refusal(ReplyStatus::kRefused, "expected the policy file's descriptor");
  auto work = [received, path = *home] { return check_policy(received->descriptor.get(), path); };
  auto checked = co_await run_on_pool(services_.pool, std::move(work));
  if (!checked) co_return make_refusal(ReplyStatus::kRefused, checked.error().message);
  auto added = services_.policies.add(peer.uid, checked->digest, checked->text, services_.clock.now_ms());
  if (!added) co_return make_refusal(ReplyStatus::kRefused, added.error().message);
  co_return make_refusal(ReplyStatus::kOk, PolicyFileName{checked->digest, false}.text());
}

Reply RequestHandler::lookup(const PeerProcess& peer, const Request& request) {
  const Process* process = processes_.find(peer);
  if (process == nullptr) return make_refusal(ReplyStatus::kUnknownProcess, "say hello first");
  if (request.family != AF_UNSPEC && request.family != AF_INET && request.family != AF_INET6) {
    return make_refusal(ReplyStatus::kRefused, "unknown address family");
  }
  EventSource source = process->source;
  source.pid = peer.key.pid;
  const NameFiles files{hosts_.get(), resolver_.get()};
  return render_lookup(process->session->lookup(request.fields[0], request.family, files, source));
}

Reply RequestHandler::bind(const PeerProcess& peer, const Request& request) {
  const Process* process = processes_.find(peer);
  if (process == nullptr) return make_refusal(ReplyStatus::kUnknownProcess, "say hello first");
  const std::vector<Address> addresses = read_addresses(request.addresses);
  if (!process->session->bind(request.fields[0], addresses)) {
    return make_refusal(ReplyStatus::kRefused, "not a host name");
  }
  return Reply{};
}

Reply RequestHandler::status(const PeerProcess& peer) {
  auto file = make_sealed_text("egress-status", render_status_(peer.uid));
  if (!file) return make_refusal(ReplyStatus::kRefused, file.error().message);
  Reply reply;
  reply.descriptors.push_back(std::move(*file));
  return reply;
}

}  // namespace egress
