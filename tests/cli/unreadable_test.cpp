// Paths that cannot be read: each is named in one line, with exit code 3 (2 for a config).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;
using testing::write_text;

void expect_error(const Outcome& outcome, int exit_code, const std::string& message) {
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(testing::last_line(outcome.err), "echopath: error: " + message);
}

class UnreadablePath : public ::testing::Test {
 protected:
  std::string in(const std::string& name) const { return folder_ / name; }
  Outcome import_from(const std::string& source, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"import", source, "--out", in("out")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  Outcome encode(const std::string& data) const {
    return run({"encode", "--data", data, "--out", in("out")});
  }
  void TearDown() override { EXPECT_FALSE(fs::exists(in("out"))); }

  TemporaryFolder folder_;
};

TEST_F(UnreadablePath, ThroughAFileDoesNotExist) {
  write_text(in("file"), "");
  const std::string path = in("file/studies");
  expect_error(import_from(path), 3, "import source '" + path + "' does not exist; check the path");
  EXPECT_THAT(encode(path).err, HasSubstr("'" + path + "' does not exist"));
}

TEST_F(UnreadablePath, ALoopOfLinksIsSaidToBeOne) {
  fs::create_symlink("b", in("a"));
  fs::create_symlink("a", in("b"));
  const std::string reason = "' cannot be read: Too many levels of symbolic links";
  expect_error(import_from(in("a")), 3, "import source '" + in("a") + reason);
  EXPECT_THAT(encode(in("a")).err, HasSubstr("'" + in("a") + reason));
}

TEST_F(UnreadablePath, AFolderIsNoFile) {
  fs::create_directories(in("studies"));
  fs::create_directories(in("folder"));
  const std::string ending = " '" + in("folder") + "' is a folder, not a file";
  expect_error(import_from(in("studies"), {"--labels", in("folder")}), 3, "labels CSV" + ending);
  expect_error(import_from(in("studies"), {"--split-file", in("folder")}), 3,
               "split file" + ending);
}

TEST_F(UnreadablePath, AFileIsNoFolder) {
  write_text(in("file"), "");
  EXPECT_THAT(encode(in("file")).err, HasSubstr("'" + in("file") + "' is not a folder"));
}

TEST_F(UnreadablePath, WithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write_text(in("studies/a.avi"), "");
  write_text(in("labels.csv"), "FileName,ClassName\n");
  const std::string reason = "' cannot be read: Permission denied";
  fs::permissions(in("labels.csv"), fs::perms::none);
  expect_error(import_from(in("studies"), {"--labels", in("labels.csv")}), 3,
               "labels CSV '" + in("labels.csv") + reason);
  fs::permissions(in("studies"), fs::perms::none);
  expect_error(import_from(in("studies")), 3, "import source '" + in("studies") + reason);
  fs::permissions(in("studies"), fs::perms::owner_all);
}

}  // namespace
}  // namespace echopath::cli
