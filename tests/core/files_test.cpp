#include "echopath/core/files.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/leftovers.hpp"

namespace echopath {
namespace {

std::size_t entries_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Lets no file grow past `bytes` while it lives; a write past it fails instead of killing us.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int);
};

TEST(Leftovers, AreKnownByTheNamesThatFilesAreWrittenUnder) {
  const TemporaryDirectory folder;
  EXPECT_EQ(stem_of_leftover(AtomicFile(folder / "kept.csv").temporary_path()), "kept");
  EXPECT_EQ(stem_of_leftover(AtomicFile(folder / "scan.nii.gz").temporary_path()), "scan");
  EXPECT_EQ(stem_of_leftover(folder / ".a.tmp-b.tmp-7-0.csv"), "a.tmp-b");
  for (const char* other : {"kept.csv", ".hidden", "kept.tmp-7-0.csv", ".tmp-7-0.csv"}) {
    EXPECT_EQ(stem_of_leftover(folder / other), "") << other;
  }
}

TEST(AtomicFile, AppearsAtCommitOnlyAndReplacesTheOldContent) {
  const TemporaryDirectory folder;
  const fs::path path = folder / "new/deep/weights.bin";
  write_file(path, "old");
  AtomicFile file(path);
  file.write("first ");
  file.write("second");
  EXPECT_EQ(read_file(path), "old");
  file.commit();
  EXPECT_EQ(read_file(path), "first second");
  EXPECT_EQ(entries_in(path.parent_path()), 1U);
}

TEST(AtomicFile, LeavesNothingWhenAnExceptionPasses) {
  const TemporaryDirectory folder;
  try {
    AtomicFile file(folder / "broken.bin");
    file.write("half");
    EXPECT_EQ(entries_in(folder.path()), 1U);
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(entries_in(folder.path()), 0U);
}

TEST(AtomicFile, TemporaryNameIsHiddenUniqueAndKeepsTheExtension) {
  const TemporaryDirectory folder;
  const AtomicFile first(folder / "cine.mp4");
  const AtomicFile second(folder / "cine.mp4");
  const AtomicFile zipped(folder / "cine.nii.gz");
  EXPECT_EQ(first.temporary_path().extension(), ".mp4");
  EXPECT_EQ(first.temporary_path().filename().string().rfind(".cine.tmp-", 0), 0U);
  EXPECT_NE(first.temporary_path(), second.temporary_path());
  EXPECT_EQ(first.temporary_path().parent_path(), folder.path());
  EXPECT_TRUE(zipped.temporary_path().string().ends_with(".nii.gz"));
}

TEST(AtomicFile, TakesWhatALibraryWroteToTheTemporaryPath) {
  const TemporaryDirectory folder;
  AtomicFile file(folder / "a.txt");
  std::ofstream(file.temporary_path()) << "by a library";
  file.commit();
  EXPECT_EQ(read_file(folder / "a.txt"), "by a library");
}

TEST(AtomicFile, NamesThePathAndTheReasonOfAFailure) {
  const TemporaryDirectory folder;
  write_file(folder / "plain", "x");
  expect_error<DataError>([&] { AtomicFile file(folder / "plain/inside.txt"); }, "Not a directory");
  expect_error<DataError>([&] { AtomicFile(folder / "never.txt").commit(); },
                          "cannot finish '" + (folder / "never.txt").string() + "'");
  expect_error<DataError>([&] { AtomicFile file(""); }, "empty file name");
  fs::create_directory(folder / "taken");
  write_file(folder / "taken/x", "");
  expect_error<DataError>([&] { write_file(folder / "taken", "x"); }, "Is a directory");
  EXPECT_EQ(entries_in(folder.path()), 2U);
}

TEST(AtomicFile, FailedWriteThrowsAndKeepsTheOldFile) {
  const TemporaryDirectory folder;
  const fs::path path = folder / "big.bin";
  write_file(path, "old");
  {
    const FileSizeLimit limit(4096);
    expect_error<DataError>([&] { write_file(path, std::string(10000, 'x')); },
                            "cannot write '" + path.string() + "': File too large");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicDirectory, AppearsWholeAtCommit) {
  const TemporaryDirectory folder;
  AtomicDirectory directory(folder / "step-00005000");
  write_file(directory.temporary_path() / "inner/DONE", "");
  EXPECT_FALSE(fs::exists(folder / "step-00005000"));
  directory.commit();
  EXPECT_TRUE(fs::exists(folder / "step-00005000/inner/DONE"));
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicDirectory, LeavesNothingWithoutCommit) {
  const TemporaryDirectory folder;
  {
    const AtomicDirectory directory(folder / "run");
    write_file(directory.temporary_path() / "file", "x");
  }
  EXPECT_EQ(entries_in(folder.path()), 0U);
}

TEST(AtomicDirectory, RefusesATakenName) {
  const TemporaryDirectory folder;
  AtomicDirectory early(folder / "run/");
  fs::create_directory(folder / "run");
  expect_error<DataError>([&] { AtomicDirectory late(folder / "run"); }, "exists already");
  expect_error<DataError>([&] { early.commit(); }, "File exists");
}

TEST(ReadFile, ReadsAllBytesAndFilesWithoutASize) {
  const TemporaryDirectory folder;
  const std::string content("a\0b\xFF\n", 5);
  write_file(folder / "x", content);
  write_file(folder / "empty", "");
  EXPECT_EQ(read_file(folder / "x"), content);
  EXPECT_EQ(read_file(folder / "empty"), "");
  EXPECT_NE(read_file("/proc/self/status").find("Name:"), std::string::npos);
}

TEST(ReadFile, RefusesMissingLargeAndFolders) {
  const TemporaryDirectory folder;
  write_file(folder / "x", std::string(1001, 'x'));
  EXPECT_EQ(read_file(folder / "x", 1001).size(), 1001U);
  expect_error<DataError>([&] { read_file(folder / "x", 1000); }, "larger than 1.0 kB");
  expect_error<DataError>([&] { read_file("/proc/self/status", 10); }, "larger than 10 B");
  expect_error<DataError>([&] { read_file(folder / "no"); }, "No such file or directory");
  expect_error<DataError>([&] { read_file(folder.path()); }, "Is a directory");
}

TEST(LineAppender, AppendsLinesAndEndsACutOne) {
  const TemporaryDirectory folder;
  const fs::path path = folder / "logs/metrics.jsonl";
  LineAppender(path).append("{\"step\":1}");
  {
    LineAppender appender(path);
    appender.append("");
    appender.append("three");
  }
  EXPECT_EQ(read_file(path), "{\"step\":1}\n\nthree\n");
  write_file(path, "whole\nhal");
  LineAppender(path).append("next");
  EXPECT_EQ(read_file(path), "whole\nhal\nnext\n");
}

TEST(LineAppender, RefusesALineBreakInsideALine) {
  const TemporaryDirectory folder;
  EXPECT_THROW(LineAppender(folder / "m").append("a\nb"), std::invalid_argument);
  EXPECT_EQ(read_file(folder / "m"), "");
}

TEST(LineAppender, FullDiskThrowsAndSaysSo) {
  LineAppender appender("/dev/full");
  expect_error<DataError>([&] { appender.append("x"); },
                          "'/dev/full': No space left on device; the disk is full");
}

TEST(LineAppender, TakesBackAHalfWrittenLine) {
  const TemporaryDirectory folder;
  LineAppender appender(folder / "m");
  appender.append("kept");
  {
    const FileSizeLimit limit(8);
    expect_error<DataError>([&] { appender.append("0123456789"); }, "File too large");
  }
  EXPECT_EQ(read_file(folder / "m"), "kept\n");
}

TEST(Require, TellsMissingFromWrongKind) {
  const TemporaryDirectory folder;
  write_file(folder / "file", "");
  EXPECT_NO_THROW(require_file(folder / "file", "the config"));
  EXPECT_NO_THROW(require_directory(folder.path(), "the dataset"));
  const std::string missing = (folder / "no").string();
  expect_error<DataError>([&] { require_file(folder / "no", "the config"); },
                          "the config '" + missing + "' does not exist");
  expect_error<DataError>([&] { require_directory(folder / "no", "the dataset"); },
                          "the dataset '" + missing + "' does not exist");
  expect_error<DataError>([&] { require_file(folder.path(), "the config"); }, "is a folder");
  expect_error<DataError>([&] { require_directory(folder / "file", "the data"); },
                          "is not a folder");
}

TEST(TemporaryFolder, IsTmpdirAndAFolder) {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before != nullptr ? before : "";
  const TemporaryDirectory folder;
  setenv("TMPDIR", folder.path().c_str(), 1);
  EXPECT_EQ(temporary_folder(), folder.path());
  setenv("TMPDIR", (folder.path() / "missing").c_str(), 1);
  try {
    temporary_folder();
    ADD_FAILURE() << "a folder that is not there was taken";
  } catch (const DataError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find((folder.path() / "missing").string() + "'"), std::string::npos)
        << message;
    EXPECT_NE(message.find("set TMPDIR"), std::string::npos) << message;
  }
  before != nullptr ? setenv("TMPDIR", kept.c_str(), 1) : unsetenv("TMPDIR");
}

}  // namespace
}  // namespace echopath
