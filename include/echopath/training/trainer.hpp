#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/distributed/process_group.hpp"
#include "echopath/training/ema.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

struct TrainerOptions {
  LoopOptions loop;
  std::filesystem::path run_directory;
  bool resume = false;
  at::Device device = at::kCPU;
  config::Json config;                               ///< complete; written beside the checkpoints
  std::shared_ptr<distributed::ProcessGroup> group;  ///< of the run; empty: this process alone
};

/// The step loop of every recipe: accumulation, clipping, Adam, averages, guards, metrics,
/// checkpoints, resume, early stopping.
///
/// Data-parallel over the processes of `group`: each has its slice of the global batch, their
/// gradients are averaged, and all make the same update. Rank 0 alone touches the run directory and
/// validates; the others get its state. One process is a group of one.
class Trainer {
 public:
  /// On rank 0, throws UsageError where the run directory already holds a run and `resume` is
  /// false, or holds none and `resume` is true; DataError where its checkpoints are of another
  /// network. On every rank, DeviceError where the networks differ.
  Trainer(Recipe& recipe, TrainerOptions options);

  /// Trains until the steps are done, the recipe is finished or the time is up; then validates, and
  /// returns the figures of that on rank 0. Throws Interrupted after saving where a signal came to
  /// any process, DataError after max_nonfinite_steps (ToldByRoot on other ranks than 0).
  Figures run();

  std::int64_t step() const { return step_; }
  Ema& ema() { return *ema_; }
  /// Puts the best weights seen by validation into the network, where the recipe's best counts.
  void restore_best();

 private:
  /// What ends the loop, the same on every process.
  struct Halt {
    bool interrupted = false;
    bool done = false;
  };

  void open_run_directory();
  void begin_or_resume();
  void resume_from_checkpoint();
  void share_state();
  bool is_root() const { return group_->is_root(); }
  Halt agree_on_halt();
  void report_step(const Figures& figures, double rate, double seconds);
  void handle_interrupt();
  Figures train_step();
  void guard(bool finite);
  bool optimise_phase(int phase, Figures& figures);
  double learning_rate() const;
  void validate();
  void save();
  void write_metrics(const Figures& figures, const char* kind);
  bool time_is_up() const;
  io::TensorMap weights() const;
  std::filesystem::path best_path() const { return options_.run_directory / "best.safetensors"; }

  Recipe& recipe_;
  TrainerOptions options_;
  std::shared_ptr<distributed::ProcessGroup> group_;
  std::vector<std::vector<NamedModule>> modules_;
  std::vector<std::unique_ptr<Adam>> optimizers_;
  std::vector<std::unique_ptr<distributed::GradientReducer>> reducers_;
  std::unique_ptr<Ema> ema_;  ///< over phase 0
  std::int64_t step_ = 0;     ///< finished steps
  std::int64_t saved_step_ = -1;
  std::int64_t nonfinite_in_a_row_ = 0;
  double best_ = std::numeric_limits<double>::infinity();
  Figures validation_;
  std::int64_t validated_step_ = -1;
  std::chrono::steady_clock::time_point started_;
};

/// Learning rate factor at step `step` (0 for the first) of `steps`: linear warm-up, then constant
/// or half a cosine to zero.
double learning_rate_factor(const LoopOptions& loop, std::int64_t step);

}  // namespace echopath::training
