#pragma once

#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/folder_lock.hpp"
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
  std::string data;  ///< what the data are (agree_on_data()); a run does not go on with others
  bool save_start =
      false;  ///< checkpoint before the first step too: its weights come from elsewhere
  std::filesystem::path model_directory;  ///< may hold the VAE that shows latent samples
};

/// How long a step took, and how much of that it waited for its batches.
struct StepTime {
  double seconds = 0.0;
  double waited = 0.0;
};

class BatchLoader;

class Checkpointer;
class TrainingLog;
enum class Verdict;
struct LoopState;

/// The step loop of every recipe: accumulation, clipping, Adam, averages, guards, metrics,
/// checkpoints, resume, early stopping.
///
/// Data-parallel over the processes of `group`: each has its slice of the global batch, their
/// gradients are averaged, and all make the same update. Rank 0 alone touches the run directory and
/// validates; the others get its state. One process is a group of one. Without a run directory it
/// can only time steps.
class Trainer {
 public:
  /// On rank 0, throws UsageError where the run directory already holds a run and `resume` is
  /// false, or holds none and `resume` is true; DataError where its checkpoints are of another
  /// network or none is whole. On every rank, DeviceError where the networks differ.
  Trainer(Recipe& recipe, TrainerOptions options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Trains until the steps are done, the recipe is finished or the time is up; then validates, and
  /// returns the figures of that on rank 0. A disk that takes no checkpoint is waited for. Throws
  /// Interrupted after saving where a signal came to any process, DataError after
  /// max_nonfinite_steps or where that last save fails (ToldByRoot on other ranks than 0).
  Figures run();

  /// Trains `steps` steps after one that is not counted, and writes nothing; the mean of each. For
  /// a trainer without a run directory.
  StepTime time_steps(std::int64_t steps);

  std::int64_t step() const;
  Ema& ema() { return *ema_; }
  /// On rank 0: puts the averaged weights of the best validation into the network; where there was
  /// none, those of now. Returns the steps that they have been trained.
  std::int64_t restore_best();

 private:
  /// What ends the loop, the same on every process.
  struct Halt {
    bool interrupted = false;
    bool done = false;
    bool save = false;        ///< time to try again what failed before
    bool unreadable = false;  ///< the batches of the next step, on some process
  };
  /// The batches of the next step, how long they were waited for, or why they cannot be read.
  struct Fetched;

  void open_run_directory();
  void write_run_config() const;
  void on_root(const std::function<void()>& work);
  void share_state();
  bool is_root() const { return group_->is_root(); }
  Halt agree_on_halt(const std::exception_ptr& fault);
  Halt halt_or_leave(const std::exception_ptr& fault);
  bool look_at_step();
  std::unique_ptr<BatchLoader> make_loader(std::int64_t end) const;
  void set_training(bool on);
  Figures timed_step(const Fetched& fetched, StepTime& time);
  void report_step(const Figures& figures, double rate, const StepTime& time);
  void as_trained(const std::function<void()>& work);
  void show_samples();
  [[noreturn]] void save_and_leave(const std::string& why);
  void stop_where_data_fail(const Halt& halt, const std::exception_ptr& fault);
  Figures train_step(const std::vector<Batch>& batches);
  Verdict optimise_phase(int phase, const std::vector<Batch>& batches, Figures& figures);
  Figures accumulate_gradients(int phase, const std::vector<Batch>& batches);
  at::Tensor forward(int phase, const Batch& batch, Figures& figures);
  Verdict judge(int phase, double loss, double norm, bool overflowed) const;
  void explain(Verdict verdict, int phase, const std::vector<Batch>& batches, double loss);
  std::string where_not_finite(int phase, const std::vector<Batch>& batches);
  void stop_where_nothing_learns();
  double learning_rate() const;
  void validate();
  bool run_validation();
  void save_at_the_end();
  bool time_is_up() const;
  Recipe& recipe_;
  TrainerOptions options_;
  std::shared_ptr<distributed::ProcessGroup> group_;
  std::vector<std::vector<NamedModule>> modules_;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;
  std::vector<std::unique_ptr<distributed::GradientReducer>> reducers_;
  std::unique_ptr<Ema> ema_;  ///< over phase 0
  std::unique_ptr<LoopState> loop_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<FolderLock> lock_;  ///< on rank 0
  std::unique_ptr<TrainingLog> log_;  ///< on rank 0
  std::chrono::steady_clock::time_point started_;
};

/// Learning rate factor at step `step` (0 for the first) of `steps`: linear warm-up, then constant
/// or half a cosine to zero.
double learning_rate_factor(const LoopOptions& loop, std::int64_t step);

}  // namespace echopath::training
