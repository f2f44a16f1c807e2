// A gate that lets everyone in, as an open server's does.
#pragma once

#include "server/api/gate.h"

namespace egress::server {

class OpenGate final : public Gate {
 public:
  Admission admit(const Route&, const Credentials&) override { return {Principal::open(), false}; }
  Result<void> recheck(const Route&, const Principal&) const override { return {}; }
  void record_failures() override {}
};

}  // namespace egress::server
