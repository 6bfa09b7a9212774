#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "echopath/io/frames.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/training/optimizer.hpp"

namespace echopath::training {

/// One forward pass of a step: which step, and which items of the global batch it holds. Every
/// random draw is keyed by (seed, step, position), so it depends neither on the micro-batch size
/// nor on the number of processes.
struct MicroBatch {
  std::int64_t step = 0;                ///< 0 for the first step of the run
  std::vector<std::int64_t> positions;  ///< indices in the global batch
};

/// What one forward pass works on, on the CPU.
struct Batch {
  MicroBatch at;
  io::TensorMap tensors;           ///< by the recipe's own names
  std::vector<std::string> items;  ///< what each item is of (a file's name), for messages
};

/// Named figures, in the order they are shown.
using Figures = std::vector<std::pair<std::string, double>>;

/// The loss of one item, and how noisy it was shown to the network.
struct LossAtLevel {
  double level;  ///< place on the noise schedule: 0 clean, 1 noise alone
  double loss;
};

/// Something to look at: one frame is an image, several are a video.
struct NamedFrames {
  std::string name;
  io::Frames frames;
};

/// A module and the prefix of its tensors in a checkpoint.
struct NamedModule {
  std::string name;
  std::shared_ptr<torch::nn::Module> module;
};

/// What is particular to training one network. The trainer owns the loop, the optimizers, the
/// averages and the checkpoints; a recipe owns the data and the loss.
/// Said by validate() where a signal ends it.
constexpr const char* kInterruptedValidation = "stopped by a signal while validating";

class Recipe {
 public:
  virtual ~Recipe() = default;

  /// The modules of optimisation phase `phase`. Most recipes have one phase; an adversarial one
  /// has a second for its discriminator.
  virtual std::vector<NamedModule> modules(int phase) = 0;
  virtual int phases() const { return 1; }
  /// False where a phase has nothing to do at this step.
  virtual bool active(int /*phase*/, std::int64_t /*step*/) const { return true; }
  /// Learning rate of a phase relative to the loop's.
  virtual double learning_rate_factor(int /*phase*/) const { return 1.0; }

  /// Reads the items of a forward pass and draws all that is random about it. Done ahead of the
  /// step by several threads at once. Throws DataError naming what cannot be read.
  virtual Batch load(const MicroBatch& batch) const = 0;
  /// Mean loss over the items of the batch, and figures to log. The phases of a step get the same
  /// batches.
  virtual at::Tensor loss(int phase, const Batch& batch, Figures& figures) = 0;
  /// The items' losses since this was called last, where they have a noise level.
  virtual std::vector<LossAtLevel> take_losses_by_level() { return {}; }
  /// What the network makes now, averaged weights in place; the same seeds each time. Latents are
  /// decoded by the VAE of `model_directory` where it has theirs.
  virtual std::vector<NamedFrames> samples(const std::filesystem::path& /*model_directory*/) {
    return {};
  }
  /// Items of an epoch; 0 where there is no such thing.
  virtual std::int64_t training_items() const { return 0; }
  /// Held-out figures with the averaged weights in place; empty where there is no validation split.
  /// The first one decides what "better" means: smaller. Throws Interrupted, its state as it was,
  /// soon after a signal.
  virtual Figures validate() = 0;
  /// True where the weights of the best validation, not the last ones, are what is written.
  virtual bool keeps_best() const { return false; }
  /// True once the recipe wants no more steps (early stopping); looked at after each validation.
  virtual bool finished() const { return false; }
  /// Small numbers that must survive a resume (early stopping's best loss).
  virtual std::map<std::string, double> state() const { return {}; }
  virtual void load_state(const std::map<std::string, double>& /*state*/) {}
  /// Throws ConfigError where the model directory already holds something that the network does not
  /// go with: another VAE, other classes. Asked before the first step and again before the export.
  virtual void check_target(const std::filesystem::path& /*model_directory*/) const {}
  /// Writes the trained network, averaged weights in place, into a model directory, whose
  /// echopath.json says that these weights had `steps` steps.
  virtual void export_model(const std::filesystem::path& model_directory, std::int64_t steps) = 0;
};

/// All parameters of the modules, named "<module>.<parameter>".
std::vector<NamedParameter> named_parameters(const std::vector<NamedModule>& modules);

}  // namespace echopath::training
