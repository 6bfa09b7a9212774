// Disks that take nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/training/checkpoint.hpp"
#include "echopath/training/trainer.hpp"
#include "training/resume_support.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using testing::Crash;
using testing::DemandingRecipe;
using ::testing::HasSubstr;
using testing::ResumeTest;

/// A folder on a small disk of its own.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path path) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=512k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool there() const { return mounted_; }
  void fill() const {
    std::ofstream file(path_ / "filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void free() const { fs::remove(path_ / "filler"); }

 private:
  fs::path path_;
  bool mounted_ = false;
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

class FullDiskTest : public ResumeTest {
 protected:
  /// The last weights of disk/run are those of the same run on a disk with space.
  void expect_weights_of_a_run_with_space() {
    DemandingRecipe recipe;
    Trainer(recipe, options("whole")).run();
    EXPECT_EQ(sha256_file(root_ / "disk/run/checkpoints/step-00000040/weights.safetensors"),
              sha256_file(root_ / "whole/checkpoints/step-00000040/weights.safetensors"));
  }
};

TEST_F(FullDiskTest, AFullDiskPausesSavingAndTrainingGoesOn) {
  const SmallDisk disk(root_ / "disk");
  if (!disk.there()) GTEST_SKIP() << "this user may not mount a file system";
  DemandingRecipe recipe;
  recipe.on_step = [&](std::int64_t step) {
    if (step == 9) disk.fill();
    if (step == 30) disk.free();
  };
  TrainerOptions small = options("disk/run");
  small.loop.save_retry_seconds = 0.0;
  ::testing::internal::CaptureStderr();
  Trainer(recipe, small).run();
  const std::string err = ::testing::internal::GetCapturedStderr();
  EXPECT_GE(count(err, "the checkpoint cannot be written (cannot "), 5U) << err;
  EXPECT_THAT(err, AllOf(HasSubstr("the disk is full"), HasSubstr("training goes on"),
                         HasSubstr("the checkpoint can be written again")));
  EXPECT_EQ(load_newest_checkpoint(root_ / "disk/run")->step, 40);
  expect_weights_of_a_run_with_space();
}

TEST_F(FullDiskTest, ARunGoesOnWhereTheDiskIsFullAlready) {
  const SmallDisk disk(root_ / "disk");
  if (!disk.there()) GTEST_SKIP() << "this user may not mount a file system";
  {
    DemandingRecipe recipe;
    recipe.on_step = [&](std::int64_t step) {
      if (step != 14) return;
      disk.fill();
      throw Crash();
    };
    Trainer trainer(recipe, options("disk/run"));
    EXPECT_THROW(trainer.run(), Crash);
  }
  DemandingRecipe recipe;
  recipe.on_step = [&](std::int64_t step) {
    if (step == 30) disk.free();
  };
  TrainerOptions resumed = options("disk/run", true);
  resumed.config["note"] = "changed";
  resumed.loop.save_retry_seconds = 0.0;
  ::testing::internal::CaptureStderr();
  Trainer(recipe, resumed).run();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("config.json keeps the options that the run had before: "));
  EXPECT_EQ(load_newest_checkpoint(root_ / "disk/run")->step, 40);
  expect_weights_of_a_run_with_space();
}

TEST_F(FullDiskTest, TheLastStepWaitsForTheDisk) {
  const fs::path checkpoints = root_ / "run" / "checkpoints";
  std::thread rescue;
  DemandingRecipe recipe;
  recipe.on_step = [&](std::int64_t step) {
    if (step != 38 || rescue.joinable()) return;
    fs::rename(checkpoints, root_ / "kept");
    write_file(checkpoints, "in the way");
    rescue = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
      fs::remove(checkpoints);
      fs::rename(root_ / "kept", checkpoints);
    });
  };
  TrainerOptions patient = options("run");
  patient.loop.save_retry_seconds = 0.3;
  EXPECT_NO_THROW(Trainer(recipe, patient).run());
  rescue.join();
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->step, 40);
}

TEST_F(FullDiskTest, ASignalOnAFullDiskSaysThatTheStateIsNotSaved) {
  install_interrupt_handlers();
  const fs::path checkpoints = root_ / "run" / "checkpoints";
  DemandingRecipe recipe;
  recipe.on_step = [&](std::int64_t step) {
    if (step != 6 || fs::exists(root_ / "kept")) return;
    fs::rename(checkpoints, root_ / "kept");
    write_file(checkpoints, "in the way");
    std::raise(SIGTERM);
  };
  Trainer trainer(recipe, options("run"));
  try {
    trainer.run();
    FAIL() << "went on";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("stopped by a signal at step 7"), HasSubstr("cannot be saved"),
                      HasSubstr("the newest one is that of step 5")));
  }
  install_interrupt_handlers();
}

}  // namespace
}  // namespace echopath::training
