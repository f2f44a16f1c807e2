// What `egress exec` prepares: environment, command, library, warnings.
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include "preload/launcher/child_environment.h"
#include "preload/launcher/command_path.h"
#include "preload/launcher/library_path.h"
#include "preload/launcher/target_inspection.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

using Variables = std::vector<std::string>;

bool holds(const Variables& variables, const std::string& variable) {
  return std::count(variables.begin(), variables.end(), variable) == 1;
}

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(ChildEnvironmentTest, PutsTheLibraryFirstAndKeepsWhatIsThere) {
  EXPECT_TRUE(holds(make_child_environment({}, "/l.so", {}), "LD_PRELOAD=/l.so"));
  EXPECT_TRUE(holds(make_child_environment({"LD_PRELOAD=/a.so:/b.so"}, "/l.so", {}), "LD_PRELOAD=/l.so:/a.so:/b.so"));
  EXPECT_TRUE(holds(make_child_environment({"LD_PRELOAD=/a.so /l.so"}, "/l.so", {}), "LD_PRELOAD=/l.so:/a.so"));
  EXPECT_TRUE(holds(make_child_environment({"LD_PRELOAD="}, "/l.so", {}), "LD_PRELOAD=/l.so"));
}

TEST(ChildEnvironmentTest, SetsWhatIsGivenAndLeavesTheRest) {
  const auto result = make_child_environment({"PATH=/bin", "EGRESS_NAMESPACE=old"}, "/l.so",
                                             {{"EGRESS_NAMESPACE", "new"}, {"EGRESS_SERVER", ""}});
  EXPECT_TRUE(holds(result, "PATH=/bin"));
  EXPECT_TRUE(holds(result, "EGRESS_NAMESPACE=new"));
  EXPECT_FALSE(holds(result, "EGRESS_NAMESPACE=old"));
  EXPECT_EQ(result.size(), 3u);
}

TEST(ChildEnvironmentTest, KeepsTokensFromTheCommand) {
  const auto result =
      make_child_environment({"EGRESS_TOKEN=t", "EGRESS_ADMIN_TOKEN=a", "EGRESS_TOKENS=x"}, "/l.so", {});
  EXPECT_FALSE(holds(result, "EGRESS_TOKEN=t"));
  EXPECT_FALSE(holds(result, "EGRESS_ADMIN_TOKEN=a"));
  EXPECT_TRUE(holds(result, "EGRESS_TOKENS=x"));
}

class CommandPathTest : public ::testing::Test {
 protected:
  std::string make_file(const std::string& name, mode_t mode) {
    const auto path = directory.path() / name;
    std::ofstream(path) << "#!/bin/sh\n";
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path.string();
  }
  TempDirectory directory;
};

TEST_F(CommandPathTest, SearchesPathAsExecvpDoes) {
  const std::string tool = make_file("tool", 0755);
  const auto environment = environment_of({{"PATH", "/nowhere:" + directory.path().string()}});
  EXPECT_EQ(find_command("tool", environment)->string(), tool);
  EXPECT_EQ(find_command(tool, environment)->string(), tool);
}

TEST_F(CommandPathTest, AbsentIs127AndNotExecutableIs126) {
  const auto environment = environment_of({{"PATH", directory.path().string()}});
  EXPECT_EQ(find_command("nosuch", environment).error().exit_status, 127);
  EXPECT_EQ(find_command("", environment).error().exit_status, 127);
  EXPECT_EQ(find_command("/no/such/file", environment).error().exit_status, 127);
  EXPECT_EQ(find_command(directory.path().string(), environment).error().exit_status, 126);
  const std::string data = make_file("data", 0644);
  EXPECT_EQ(find_command(data, environment).error().exit_status, 126);
  EXPECT_EQ(find_command("data", environment).error().exit_status, 126);
}

TEST_F(CommandPathTest, LibraryIsBesideTheProgramOrWhereItIsSaid) {
  std::filesystem::create_directories(directory.path() / "bin");
  std::filesystem::create_directories(directory.path() / "lib");
  const auto bin = directory.path() / "bin";
  EXPECT_EQ(find_library(environment_of({}), bin).error().code, ErrorCode::kNotFound);
  const std::string beside = make_file("lib/libegress.so", 0644);
  EXPECT_EQ(find_library(environment_of({}), bin)->string(), beside);
  const std::string other = make_file("other.so", 0644);
  EXPECT_EQ(find_library(environment_of({{"EGRESS_LIBRARY", other}}), bin)->string(), other);
  const std::string blank = make_file("with blank.so", 0644);
  EXPECT_EQ(find_library(environment_of({{"EGRESS_LIBRARY", blank}}), bin).error().code, ErrorCode::kInvalidArgument);
}

class TargetInspectionTest : public CommandPathTest {
 protected:
  std::string make_elf(const std::string& name, bool with_interpreter, unsigned char elf_class = ELFCLASS64) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = elf_class;
    header.e_phoff = sizeof header;
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = with_interpreter ? PT_INTERP : PT_LOAD;
    const auto path = directory.path() / name;
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(reinterpret_cast<const char*>(&segment), sizeof segment);
    return path.string();
  }
  static bool mentions(const Variables& reasons, const std::string& word) {
    return std::any_of(reasons.begin(), reasons.end(),
                       [&](const std::string& reason) { return reason.find(word) != std::string::npos; });
  }
};

TEST_F(TargetInspectionTest, WarnsOfStaticForeignAndSetuidPrograms) {
  EXPECT_TRUE(inspect_target(make_elf("dynamic", true)).empty());
  EXPECT_TRUE(mentions(inspect_target(make_elf("static", false)), "statically linked"));
  EXPECT_TRUE(mentions(inspect_target(make_elf("i386", true, ELFCLASS32)), "64-bit"));
  const std::string setuid = make_elf("setuid", true);
  ASSERT_EQ(::chmod(setuid.c_str(), 04755), 0);
  EXPECT_TRUE(mentions(inspect_target(setuid), "setuid"));
}

TEST_F(TargetInspectionTest, LooksThroughScripts) {
  const std::string interpreter = make_elf("static", false);
  const auto script = directory.path() / "script";
  std::ofstream(script) << "#! " << interpreter << " -x\n";
  EXPECT_TRUE(mentions(inspect_target(script), "statically linked"));
  const auto loop = directory.path() / "loop";
  std::ofstream(loop) << "#!" << loop.string() << "\n";
  EXPECT_TRUE(inspect_target(loop).empty());
}

TEST_F(TargetInspectionTest, SaysNothingOfWhatItCannotRead) {
  EXPECT_TRUE(inspect_target("/no/such/file").empty());
  std::ofstream(directory.path() / "short") << "\x7f";
  EXPECT_TRUE(inspect_target(directory.path() / "short").empty());
  EXPECT_TRUE(inspect_target(directory.path()).empty());
}

}  // namespace
}  // namespace egress
