#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/training/recipe.hpp"
#include "echopath/training/trainer.hpp"
#include "training/early_stopping.hpp"

namespace echopath::training::testing {

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

}  // namespace echopath::training::testing
