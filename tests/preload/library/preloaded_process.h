// A program run under LD_PRELOAD=libegress.so (or without it), spoken to by lines.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "shared/base/unique_fd.h"

namespace egress {

struct ProcessEnd {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string output;  // of stdout, what was not taken line by line
  std::string errors;
};

class PreloadedProcess {
 public:
  using Environment = std::map<std::string, std::string>;

  // `program` is one of the workloads built beside these tests. The environment is exactly `environment`, with
  // LD_PRELOAD added unless it names one.
  PreloadedProcess(const std::string& program, const std::vector<std::string>& arguments, Environment environment);
  ~PreloadedProcess();
  PreloadedProcess(const PreloadedProcess&) = delete;
  PreloadedProcess& operator=(const PreloadedProcess&) = delete;

  pid_t pid() const { return pid_; }
  std::string ask(const std::string& line);  // sends a line and reads one
  std::string read_line();
  ProcessEnd finish();  // closes its input and waits

  static std::string library_path();
  static std::string program_path(const std::string& program);

 private:
  pid_t pid_ = -1;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd errors_;
};

}  // namespace egress
