#include "preload/library/environment.h"

#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "preload/library/text_line.h"

// Where the kernel put argc, argv, NULL, envp, NULL; kept by the dynamic loader since glibc 2.2.5.
extern "C" void* __libc_stack_end;

namespace egress {
namespace {

char* no_variables[] = {nullptr};

constexpr const char* kFieldVariables[kHelloFieldCount] = {
    "EGRESS_SERVER", "EGRESS_NAMESPACE", "EGRESS_WORKLOAD",   "EGRESS_LABELS", "EGRESS_TARGET",
    "EGRESS_TOKEN",  "EGRESS_RESOLVE",   "EGRESS_BUNDLE_KEY", "EGRESS_CA",
};

char** initial_environment() noexcept {
  auto* words = static_cast<std::uintptr_t*>(__libc_stack_end);
  if (words == nullptr) return no_variables;
  return reinterpret_cast<char**>(words + 1 + words[0] + 1);
}

}  // namespace

char** environment() noexcept { return environ != nullptr ? environ : initial_environment(); }

const char* find_variable(char** variables, const char* name) noexcept {
  const std::size_t size = std::strlen(name);
  for (char** at = variables; *at != nullptr; ++at) {
    if (std::strncmp(*at, name, size) == 0 && (*at)[size] == '=') return *at + size + 1;
  }
  return nullptr;
}

const char* hello_field(char** variables, HelloField field) noexcept {
  const char* value = find_variable(variables, kFieldVariables[static_cast<std::size_t>(field)]);
  return value != nullptr ? value : "";
}

std::size_t format_agent_socket(char** variables, char* path, std::size_t capacity) noexcept {
  TextLine line(path, capacity);
  const char* runtime = find_variable(variables, "EGRESS_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') {
    line.add(runtime);
  } else if (runtime = find_variable(variables, "XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != '\0') {
    line.add(runtime).add("/egress");
  } else {
    line.add("/run/egress");
  }
  line.add("/").add(kAgentSocketName);
  return line.wanted();
}

}  // namespace egress
