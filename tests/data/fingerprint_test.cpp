#include "echopath/data/fingerprint.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "echopath/core/errors.hpp"
#include "toy_data.hpp"

namespace echopath::data {
namespace {

namespace fs = std::filesystem;

class Fingerprint : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("echopath_fingerprint_" + std::to_string(getpid()));
    fs::remove_all(root_);
    tests::write_toy_latents(root_ / "a", "vae one");
    fs::copy(root_ / "a", root_ / "b", fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string of(const char* name) const { return fingerprint(root_ / name); }
  static void append(const fs::path& file) { std::ofstream(file, std::ios::app) << "\n"; }

  fs::path root_;
};

TEST_F(Fingerprint, IsThatOfEveryCopy) {
  EXPECT_EQ(of("b"), of("a"));
  std::ofstream(root_ / "b" / "Latents" / ".copying") << "a hidden file";
  EXPECT_EQ(of("b"), of("a"));
  EXPECT_EQ(of("a").rfind("6 files of ", 0), 0U) << of("a");
}

TEST_F(Fingerprint, TellsAnotherListAnotherFileAndAnotherVae) {
  append(root_ / "b" / "FileList.csv");
  EXPECT_NE(of("b"), of("a"));
  fs::remove_all(root_ / "b");
  fs::copy(root_ / "a", root_ / "b", fs::copy_options::recursive);
  fs::remove(root_ / "b" / "Latents" / "video_5.safetensors");
  EXPECT_NE(of("b"), of("a"));
  fs::remove_all(root_ / "b");
  tests::write_toy_latents(root_ / "b", "vae two");
  EXPECT_NE(of("b"), of("a"));
}

TEST_F(Fingerprint, NeedsAList) {
  fs::remove(root_ / "b" / "FileList.csv");
  EXPECT_THROW(of("b"), DataError);
}

}  // namespace
}  // namespace echopath::data
