// A real store in a temporary directory, a clock that the test owns, and an observer that remembers what it was told.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/store/sqlite/sqlite_store.h"
#include "shared/base/clock.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {

class RecordingObserver final : public PolicyObserver {
 public:
  void policy_changed(const PolicyChange& change) override { changes.push_back(change); }
  std::vector<PolicyChange> changes;
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    auto opened = SqliteStore::open(directory_.path() + "/egress.db", 2);
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = *std::move(opened);
  }

  std::vector<AuditRow> audit_rows() {
    AuditFilter filter;
    filter.limit = 1000;
    return store_->read([&](Reader& reader) { return reader.audit_rows(filter).rows; }).value();
  }

  // May do everything.
  static Principal admin(const std::string& name) { return {Principal::Kind::kUser, name, Role::kAdmin, "/", {}, {}}; }

  static DomainEntry entry(const std::string& text) { return {parse_host_pattern(text).value().pattern, "", {}}; }
  static std::vector<DomainEntry> entries(const std::vector<std::string>& texts) {
    std::vector<DomainEntry> list;
    for (const std::string& text : texts) list.push_back(entry(text));
    return list;
  }

  TemporaryDirectory directory_;
  FakeClock clock_{1'700'000'000'000};
  RecordingObserver observer_;
  std::unique_ptr<Store> store_;
};

}  // namespace egress::server
