// Runs that are cut off, and disks that take nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/text.hpp"
#include "echopath/training/checkpoint.hpp"
#include "echopath/training/trainer.hpp"
#include "training/early_stopping.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A recipe with all that a resumed run must find again: running statistics, draws from LibTorch's
/// own generator that nobody seeds, noise on the data, early stopping.
class DemandingRecipe : public Recipe {
 public:
  explicit DemandingRecipe(std::int64_t patience = 100) : stopping_(patience) {
    torch::manual_seed(5);
    network_ = torch::nn::Sequential(torch::nn::Linear(3, 6), torch::nn::BatchNorm1d(6),
                                     torch::nn::Linear(6, 1));
  }
  std::vector<NamedModule> modules(int) override { return {{"net", network_.ptr()}}; }
  Batch load(const MicroBatch& at) const override {
    Batch batch{at, {}, {}};
    std::vector<at::Tensor> rows;
    for (const std::int64_t position : at.positions) {
      rows.push_back(
          normal_tensor({3}, {1, Stream::kAugmentation, static_cast<std::uint32_t>(at.step),
                              static_cast<std::uint32_t>(position)}));
      batch.items.push_back("video_" + std::to_string(position) + ".avi");
      if (at.step == bad_step && position == 3) rows.back()[1] = std::nan("");
    }
    batch.tensors["x"] = at::stack(rows);
    return batch;
  }
  at::Tensor loss(int, const Batch& batch, Figures&) override {
    if (on_step) on_step(batch.at.step);
    const at::Tensor& x = batch.tensors.at("x");
    const at::Tensor noisy = x + 0.1 * at::randn_like(x);
    const double factor = batch.at.step == spike_step ? 1000.0 : 1.0;
    return factor * (network_->forward(noisy).to(at::kFloat) - x.sum(1, true)).square().mean();
  }
  Figures validate() override {
    if (on_validation) on_validation();
    throw_if_interrupted(kInterruptedValidation);
    const at::Tensor x = normal_tensor({16, 3}, {2, Stream::kDataset, 0, 0});
    const double error = (network_->forward(x) - x.sum(1, true)).square().mean().item<double>();
    const double shown = validations.empty() ? error : validations.at(validated++);
    stopping_.note(shown);
    return {{"val_error", shown}};
  }
  bool finished() const override { return stopping_.finished(); }
  std::map<std::string, double> state() const override { return stopping_.state(); }
  void load_state(const std::map<std::string, double>& state) override {
    stopping_.load_state(state);
  }
  void export_model(const std::filesystem::path&, std::int64_t) override {}

  std::function<void(std::int64_t step)> on_step;
  std::function<void()> on_validation;
  std::int64_t bad_step = -1;
  std::int64_t spike_step = -1;
  std::vector<double> validations;  ///< what to answer, one after the other
  std::size_t validated = 0;
  torch::nn::Sequential network_;

 private:
  EarlyStopping stopping_;
};

struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

class ResumeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() /
            ("echopath_resume_" + std::to_string(getpid()) + "_" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
    initialise_logging("info", false);
  }
  void TearDown() override { fs::remove_all(root_); }

  TrainerOptions options(const std::string& run, bool resume = false) const {
    TrainerOptions options;
    options.loop.steps = 40;
    options.loop.batch_size = 8;
    options.loop.micro_batch_size = 4;
    options.loop.learning_rate = 0.05;
    options.loop.loss_spike_factor = 20.0;
    options.loop.validate_every = 5;
    options.loop.checkpoint_every = 4;
    options.loop.log_every = 1;
    options.run_directory = root_ / run;
    options.resume = resume;
    options.config = {{"note", "test"}};
    return options;
  }
  /// The losses in metrics.jsonl and the steps that were validated.
  std::pair<std::vector<double>, std::vector<std::int64_t>> metrics(const std::string& run) const {
    std::pair<std::vector<double>, std::vector<std::int64_t>> result;
    std::ifstream file(root_ / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const config::Json row = config::Json::parse(line);
      if (row.at("kind") == "validation") {
        result.second.push_back(row.at("step").get<std::int64_t>());
      } else {
        const config::Json loss = row.at("loss");
        result.first.push_back(loss.is_null() ? -1.0 : loss.get<double>());
      }
    }
    return result;
  }
  std::string hashes(const std::string& run, std::int64_t step) const {
    char name[32];
    std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
    config::Json done = config::Json::parse(read_file(root_ / run / "checkpoints" / name / "DONE"));
    return done.dump();
  }

  fs::path root_;
};

struct Numerics {
  const char* precision;
  const char* optimizer;
};

class ResumeNumerics : public ResumeTest, public ::testing::WithParamInterface<Numerics> {};

TEST_P(ResumeNumerics, CrashesAnywhereLeaveNoTrace) {
  const auto prepare = [](DemandingRecipe& recipe) {
    recipe.bad_step = 21;
    recipe.spike_step = 28;
  };
  const auto with_numerics = [&](TrainerOptions options) {
    options.loop.precision = GetParam().precision;
    options.loop.optimizer = GetParam().optimizer;
    return options;
  };
  {
    DemandingRecipe recipe;
    prepare(recipe);
    Trainer(recipe, with_numerics(options("whole"))).run();
  }
  bool resume = false;
  for (const std::int64_t crash : {2, 6, 13, 22, 30, 31, 39}) {
    DemandingRecipe recipe;
    prepare(recipe);
    recipe.on_step = [&](std::int64_t step) {
      if (step == crash) throw Crash();
    };
    Trainer trainer(recipe, with_numerics(options("parts", resume)));
    EXPECT_THROW(trainer.run(), Crash) << crash;
    resume = true;
  }
  DemandingRecipe recipe;
  prepare(recipe);
  Trainer(recipe, with_numerics(options("parts", true))).run();
  // Every byte: weights, averages, moments, generators, scale, guard, early stopping.
  EXPECT_EQ(hashes("parts", 40), hashes("whole", 40));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
  EXPECT_EQ(metrics("whole").first.size(), 40U);
  const config::Json guard = load_newest_checkpoint(root_ / "parts")->loop.at("guard");
  EXPECT_EQ(guard.at("not_finite"), 1);
  EXPECT_EQ(guard.at("spikes"), 1);
}

INSTANTIATE_TEST_SUITE_P(All, ResumeNumerics,
                         ::testing::Values(Numerics{"fp32", "adam"}, Numerics{"bf16", "adam"},
                                           Numerics{"fp16", "adam"}, Numerics{"fp32", "sgd"}));

TEST_F(ResumeTest, AFinishedRunIsNotValidatedAgain) {
  {
    DemandingRecipe recipe;
    Trainer(recipe, options("run")).run();
  }
  DemandingRecipe recipe;
  Trainer trainer(recipe, options("run", true));
  const Figures figures = trainer.run();
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures.front().second,
            load_newest_checkpoint(root_ / "run")->loop.at("validation")[0][1]);
  EXPECT_THAT(metrics("run").second, ElementsAre(5, 10, 15, 20, 25, 30, 35, 40));
}

TEST_F(ResumeTest, EarlyStoppingCountsOn) {
  const auto run = [&](const std::string& name, bool resume, std::int64_t crash,
                       std::vector<double> validations) {
    DemandingRecipe recipe(3);
    recipe.validations = std::move(validations);
    recipe.on_step = [&](std::int64_t step) {
      if (step == crash) throw Crash();
    };
    Trainer trainer(recipe, options(name, resume));
    try {
      trainer.run();
    } catch (const Crash&) {
    }
    return trainer.step();
  };
  EXPECT_EQ(run("whole", false, -1, {0.9, 0.5, 0.6, 0.7, 0.8}), 25);
  run("parts", false, 18, {0.9, 0.5, 0.6});
  EXPECT_EQ(run("parts", true, -1, {0.7, 0.8}), 25);
}

TEST_F(ResumeTest, TheBestIsKeptAndComesBackAveraged) {
  DemandingRecipe recipe;
  recipe.validations = {0.9, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1};
  Trainer trainer(recipe, options("run"));
  trainer.run();
  const Checkpoint best = load_checkpoint(root_ / "run", 10);
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->best_step, 10);
  EXPECT_EQ(trainer.restore_best(), 10);
  const auto weights = recipe.network_->named_parameters();
  EXPECT_TRUE(at::equal(weights["0.weight"], best.ema.at("net.0.weight")));
  EXPECT_FALSE(at::equal(weights["0.weight"], best.weights.at("net.0.weight")));
  EXPECT_TRUE(at::equal(recipe.network_->named_buffers()["1.running_mean"],
                        best.weights.at("net.1.running_mean")));
}

TEST_F(ResumeTest, AStepThatIsNotFiniteNamesDataItemAndLeavesStatisticsAlone) {
  DemandingRecipe recipe;
  recipe.bad_step = 7;
  TrainerOptions one_pass = options("run");
  one_pass.loop.steps = 8;
  ::testing::internal::CaptureStderr();
  Trainer(recipe, one_pass).run();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("step 8 skipped: loss or gradient is not finite (1 in a row, 1 in all); "
                        "first the data, in its tensor 'x'; items: video_3.avi"));
  for (const at::Tensor& buffer : recipe.network_->buffers()) {
    EXPECT_TRUE(at::isfinite(buffer).all().item<bool>());
  }
}

TEST_F(ResumeTest, WeightsThatCameFromElsewhereAreSavedBeforeTheFirstStep) {
  DemandingRecipe recipe;
  TrainerOptions start = options("run");
  start.save_start = true;
  const at::Tensor before = recipe.network_->parameters().front().detach().clone();
  recipe.on_step = [](std::int64_t) { throw Crash(); };
  Trainer trainer(recipe, start);
  EXPECT_THROW(trainer.run(), Crash);
  const auto checkpoint = load_newest_checkpoint(root_ / "run");
  EXPECT_EQ(checkpoint->step, 0);
  EXPECT_TRUE(at::equal(checkpoint->weights.at("net.0.weight"), before));
}

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

TEST_F(ResumeTest, AFullDiskPausesSavingAndTrainingGoesOn) {
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
  // The weights are those of a run on a disk with space.
  DemandingRecipe other;
  Trainer(other, options("whole")).run();
  EXPECT_EQ(sha256_file(root_ / "disk/run/checkpoints/step-00000040/weights.safetensors"),
            sha256_file(root_ / "whole/checkpoints/step-00000040/weights.safetensors"));
}

TEST_F(ResumeTest, ARunGoesOnWhereTheDiskIsFullAlready) {
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
  DemandingRecipe other;
  Trainer(other, options("whole")).run();
  EXPECT_EQ(sha256_file(root_ / "disk/run/checkpoints/step-00000040/weights.safetensors"),
            sha256_file(root_ / "whole/checkpoints/step-00000040/weights.safetensors"));
}

TEST_F(ResumeTest, TheLastStepWaitsForTheDisk) {
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

TEST_F(ResumeTest, ASignalOnAFullDiskSaysThatTheStateIsNotSaved) {
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

// A scheduler that sent a signal does not wait for a validation: the run leaves before it or in the
// middle of it, and goes on with it.
TEST_F(ResumeTest, ASignalDoesNotWaitForAValidation) {
  {
    DemandingRecipe recipe;
    Trainer(recipe, options("whole")).run();
  }
  const auto run = [&](bool resume, std::int64_t step_of_signal, int validation_of_signal) {
    install_interrupt_handlers();
    DemandingRecipe recipe;
    int validations = 0;
    recipe.on_step = [&](std::int64_t step) {
      if (step == step_of_signal) std::raise(SIGTERM);
    };
    recipe.on_validation = [&] {
      if (++validations == validation_of_signal) std::raise(SIGTERM);
    };
    Trainer trainer(recipe, options("parts", resume));
    EXPECT_THROW(trainer.run(), Interrupted);
    return validations;
  };
  EXPECT_EQ(run(false, 9, 0), 1);  // in the tenth step, which is validated: that of step 5 alone
  EXPECT_EQ(load_newest_checkpoint(root_ / "parts")->step, 10);
  EXPECT_EQ(run(true, -1, 3), 3);  // in the validation of step 20
  EXPECT_EQ(load_newest_checkpoint(root_ / "parts")->step, 20);
  EXPECT_THAT(read_file(root_ / "parts/log.txt"), HasSubstr("info resumed "));
  install_interrupt_handlers();
  DemandingRecipe recipe;
  Trainer(recipe, options("parts", true)).run();
  EXPECT_EQ(hashes("parts", 40), hashes("whole", 40));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
}

TEST_F(ResumeTest, Float16ScalesTheLossAndFits) {
  DemandingRecipe recipe;
  TrainerOptions half = options("run");
  half.loop.steps = 300;
  half.loop.validate_every = half.loop.checkpoint_every = 300;
  half.loop.precision = "fp16";
  const Figures figures = Trainer(recipe, half).run();
  EXPECT_LT(figures.front().second, 0.2);
  const config::Json loop = load_newest_checkpoint(root_ / "run")->loop;
  // Each overflow halved the scale; none of them counts as a loss that is not finite.
  const auto overflows = loop.at("guard").at("overflows").get<int>();
  EXPECT_EQ(loop.at("scaler").at("scale"), std::ldexp(65536.0, -overflows));
  EXPECT_EQ(loop.at("guard").at("not_finite"), 0);
  for (const at::Tensor& weight : recipe.network_->parameters()) {
    EXPECT_EQ(weight.scalar_type(), at::kFloat);
  }
}

}  // namespace
}  // namespace echopath::training
