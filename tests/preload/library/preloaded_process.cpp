#include "tests/preload/library/preloaded_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace egress {
namespace {

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string PreloadedProcess::library_path() { return EGRESS_BINARY_DIR "/lib/libegress.so"; }
std::string PreloadedProcess::program_path(const std::string& program) {
  return EGRESS_BINARY_DIR "/unit/workloads/" + program;
}

PreloadedProcess::PreloadedProcess(const std::string& program, const std::vector<std::string>& arguments,
                                   Environment environment) {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const UniqueFd child_input(input[0]);
  input_ = UniqueFd(input[1]);
  output_ = UniqueFd(output[0]);
  const UniqueFd child_output(output[1]);
  errors_ = UniqueFd(::memfd_create("stderr", MFD_CLOEXEC));

  environment.try_emplace("LD_PRELOAD", library_path());
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<std::string> words{program_path(program)};
  words.insert(words.end(), arguments.begin(), arguments.end());

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, child_input.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, child_output.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, errors_.get(), 2);
  const int error = ::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, pointers_to(words).data(),
                                  pointers_to(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot run " + words[0]);
}

PreloadedProcess::~PreloadedProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string PreloadedProcess::read_line() {
  std::string line;
  for (char c; ::read(output_.get(), &c, 1) == 1;) {
    if (c == '\n') return line;
    line += c;
  }
  return line + "<end of output>";
}

std::string PreloadedProcess::ask(const std::string& line) {
  const std::string sent = line + "\n";
  if (::write(input_.get(), sent.data(), sent.size()) != static_cast<ssize_t>(sent.size())) return "<not listening>";
  return read_line();
}

ProcessEnd PreloadedProcess::finish() {
  input_.reset();
  ProcessEnd end;
  end.output = read_all(output_.get());
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ::lseek(errors_.get(), 0, SEEK_SET);
  end.errors = read_all(errors_.get());
  return end;
}

}  // namespace egress
