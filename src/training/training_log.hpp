#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/io/event_log.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"
#include "echopath/training/trainer.hpp"
#include "training/patient_writer.hpp"

namespace echopath::training {

/// What a run tells while it goes: `metrics.jsonl` and an event file of TensorBoard in its folder,
/// and the line or bar of its progress. Writing may fail (a full disk): it warns and goes on.
class TrainingLog {
 public:
  struct Options {
    std::filesystem::path run_directory;
    LoopOptions loop;
    at::Device device = at::kCPU;
    config::Json config;
    /// Finished steps that a resumed run starts from; what an earlier part of it told of later ones
    /// is taken back. Empty: a new run.
    std::optional<std::int64_t> resumed_at;
  };

  explicit TrainingLog(const Options& options);

  /// After each step; `step` counts finished ones. Writes every `log_every` of them.
  void step(std::int64_t step, const Figures& figures, double learning_rate, const StepTime& time);
  void validation(std::int64_t step, const Figures& figures);
  /// Keeps losses for write_losses_by_level().
  void add_losses_by_level(const std::vector<LossAtLevel>& losses);
  /// A histogram over the noise levels whose bars are the mean losses since the last one; nothing
  /// where there were none.
  void write_losses_by_level(std::int64_t step);
  void samples(std::int64_t step, const std::vector<NamedFrames>& samples);
  void finish();

  static constexpr std::size_t kLevels = 20;

 private:
  /// Losses of one part of the noise levels.
  struct Bin {
    double count = 0.0;
    double sum = 0.0;
    double sum_of_squares = 0.0;
  };

  void write_row(std::int64_t step, const char* kind, const config::Json& values);
  void write_event(const std::function<void(io::EventLog&)>& write);
  Figures resources(std::int64_t steps) const;

  Options options_;
  Progress progress_;
  PatientWriter metrics_writer_;
  PatientWriter event_writer_;
  std::optional<io::EventLog> events_;
  std::int64_t logged_step_;  ///< of the last line
  StepTime since_logged_;     ///< sums
  std::array<Bin, kLevels> bins_;
};

/// Bytes that tensors hold on a device other than the CPU; 0 on the CPU.
double device_bytes(at::Device device);

}  // namespace echopath::training
