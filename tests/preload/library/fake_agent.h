// An agent whose answers a test scripts: the real socket protocol, a real arena, real rings, no server and no policy of
// its own. Serves on a thread of its own until it is destroyed. Not the agent's logic: that has tests of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/unique_fd.h"
#include "shared/session/arena_writer.h"
#include "shared/session/protocol.h"
#include "shared/session/ring_reader.h"

namespace egress {

struct LookupScript {
  std::vector<std::string> queries;
  std::vector<Address> addresses;
};

struct HelloScript {
  ReplyStatus status = ReplyStatus::kOk;
  NoPolicyCause no_policy = NoPolicyCause::kNone;
  std::string text{};
  bool with_descriptors = true;
  bool silent = false;  // takes the request and never answers
  bool garbage = false;
};

struct Bind {
  std::string name;
  std::vector<Address> addresses;
};

class FakeAgent {
 public:
  explicit FakeAgent(const std::filesystem::path& runtime_dir, std::uint64_t session_id = 1);
  // With a policy from its first answer on, as the real one, which waits for it.
  FakeAgent(const std::filesystem::path& runtime_dir, LinkedStack stack);
  ~FakeAgent();
  FakeAgent(const FakeAgent&) = delete;
  FakeAgent& operator=(const FakeAgent&) = delete;

  // The calling thread must be the one that made this object: it owns the arena.
  void publish(LinkedStack stack, UnixMillis valid_until_ms = kFarFuture);
  // Ends the arena as the agent's death does, and gives later hellos a new one that holds `stack`.
  void lose_arena(UnixMillis valid_until_ms);
  void begin_arena(LinkedStack stack, std::uint64_t session_id);

  void script_hello(HelloScript script);
  void script_lookup(const std::string& name, LookupScript script);
  void forget_processes();  // as after a restart without its journal
  void bind(const std::string& name, Address address);

  // Every event recorded so far, of all rings.
  std::vector<RingEvent> events();
  std::uint64_t dropped();
  std::size_t hellos();
  std::vector<std::vector<std::string>> hello_fields();
  std::vector<std::string> lookups();
  std::vector<Bind> binds();

  static constexpr UnixMillis kFarFuture = 4'000'000'000'000;

 private:
  void listen();
  void serve();
  void answer(int connection);
  void answer_hello(int connection, const Request& request, pid_t process);
  void answer_lookup(int connection, const Request& request);
  void answer_bind(int connection, const Request& request);
  void reply(int connection, ReplyHeader header, const std::string& body, const std::vector<int>& descriptors = {});

  std::filesystem::path path_;
  UniqueFd listener_;
  UniqueFd stop_read_;
  UniqueFd stop_write_;
  std::mutex mutex_;
  std::uint64_t session_id_;
  std::unique_ptr<ArenaWriter> arena_;
  LinkedStack stack_;
  HelloScript hello_;
  std::map<std::string, LookupScript> lookup_scripts_;
  std::vector<std::unique_ptr<RingReader>> rings_;
  std::vector<RingEvent> events_;
  std::vector<std::vector<std::string>> hello_fields_;
  std::vector<std::string> lookups_;
  std::vector<Bind> binds_;
  std::set<pid_t> known_;
  std::vector<UniqueFd> held_;  // connections left unanswered
  std::thread thread_;
};

}  // namespace egress
