// Sends one session's records to its server as OTLP/HTTP JSON: logs, then the spans of the same batch. Retries with
// backoff on disconnects and on 429, 502, 503 and 504; any other refusal is final and counted. Runs on the agent's main
// thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "preload/agent/backoff.h"
#include "preload/agent/http_client.h"
#include "preload/agent/session.h"
#include "shared/otlp/record.h"

namespace egress {

class Uploader : public std::enable_shared_from_this<Uploader> {
 public:
  // `session` must outlive the uploader's coroutine, which holds it.
  Uploader(boost::asio::any_io_executor executor, std::shared_ptr<Session> session, std::string host_name);

  void start();
  // Ends it, whatever is queued.
  void stop();
  // The queue got something.
  void notify() { wake_.cancel(); }

 private:
  using Self = std::shared_ptr<Uploader>;
  enum class Sent { kAccepted, kRefused, kRetry };
  struct Outcome {
    Sent sent = Sent::kRetry;
    std::size_t rejected = 0;  // of what was accepted, records that the server did not take
  };
  using Render = std::string (*)(const OtlpResource&, std::span<const DecisionRecord>);

  static boost::asio::awaitable<void> run(Self self);
  boost::asio::awaitable<Outcome> send(std::string path, std::string body);
  boost::asio::awaitable<Outcome> send_patiently(std::string path, Render render, std::vector<DecisionRecord> batch);
  std::string render_batch(Render render, std::vector<DecisionRecord>& batch) const;

  std::shared_ptr<Session> session_;
  std::string host_name_;
  HttpClient client_;
  Backoff backoff_;
  boost::asio::steady_timer wake_;
  boost::asio::steady_timer pause_;
  bool stopped_ = false;
};

}  // namespace egress
