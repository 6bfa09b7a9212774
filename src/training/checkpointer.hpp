#pragma once

#include <memory>
#include <string>
#include <vector>

#include "echopath/distributed/process_group.hpp"
#include "echopath/training/checkpoint.hpp"
#include "echopath/training/ema.hpp"
#include "echopath/training/trainer.hpp"
#include "training/loop_state.hpp"
#include "training/patient_writer.hpp"

namespace echopath::training {

/// What of a running training goes into a checkpoint. All outlive the Checkpointer.
struct RunParts {
  Recipe& recipe;
  distributed::ProcessGroup& group;
  const std::vector<std::vector<NamedModule>>& modules;
  const std::vector<std::unique_ptr<Optimizer>>& optimizers;
  Ema& ema;
  LoopState& loop;
};

/// Puts a run into its checkpoints and back. Rank 0 alone reads and writes them.
class Checkpointer {
 public:
  Checkpointer(const TrainerOptions& options, RunParts parts);

  /// On rank 0: takes the newest whole checkpoint into the run, where there is one. Throws
  /// DataError where it is of another network.
  void resume();
  /// On every process, after rank 0 may have resumed: all get its state, and go on from there.
  void share();
  /// On every process: writes the state of this step, unless that has been done. False where the
  /// disk did not take it; a warning has been given.
  bool save();
  /// On rank 0: whether a save that failed should be tried again now.
  bool due() const { return writer_.due(); }
  /// Why the last save failed (rank 0).
  const std::string& reason() const { return writer_.reason(); }
  /// Finished steps in the newest checkpoint; −1: none.
  std::int64_t saved_step() const { return saved_step_; }
  /// On rank 0: puts the averaged weights of the best validation into the network, where there was
  /// one, else those of now. Returns the steps that they have been trained.
  std::int64_t restore_best();

 private:
  Checkpoint gather() const;
  void take_weights(const io::TensorMap& weights, const std::string& source);
  void forget_a_lost_best();

  const TrainerOptions& options_;
  RunParts parts_;
  PatientWriter writer_;
  io::TensorMap generators_;  ///< of the checkpoint that rank 0 resumed from
  std::int64_t saved_step_ = -1;
};

/// Parameters and buffers, named "<module>.<name>".
io::TensorMap named_tensors(const std::vector<std::vector<NamedModule>>& modules);

}  // namespace echopath::training
