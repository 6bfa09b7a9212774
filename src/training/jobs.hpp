#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"
#include "echopath/training/train.hpp"

namespace echopath::training {

/// One network's options and how to make its recipe from them.
class Job {
 public:
  virtual ~Job() = default;
  virtual config::VisitFunction visit() = 0;
  /// Throws ConfigError where options contradict each other.
  virtual void validate() const = 0;
  virtual const LoopOptions& loop() const = 0;
  virtual const OutputOptions& output() const = 0;
  /// Parameters of the network that is shipped (a discriminator does not count).
  virtual std::int64_t parameter_count() const = 0;
  /// Estimate of the memory that a training takes at its peak on its device. `parameters` is
  /// parameter_count().
  virtual double memory_bytes(std::int64_t parameters, bool cuda) const = 0;
  /// Most memory of the machine that decoded videos take beside that: the limit of the cache, or
  /// all videos where they are known and smaller.
  virtual double cache_bytes() const { return 0.0; }
  /// What goes into a forward pass of `items` items and what comes out.
  virtual NamedShapes shapes(std::int64_t items) const = 0;
  /// The parts of a model directory that --init-from takes its weights from.
  virtual std::vector<std::string> components() const = 0;
  /// Throws ConfigError where the options need weights to start from and there are none.
  virtual void require_start(bool /*has_weights*/) const {}
  /// Opens the data. Throws ConfigError or DataError naming its key where it is not set, not there,
  /// damaged, empty, or does not fit the network.
  virtual std::unique_ptr<Recipe> make_recipe(at::Device device) const = 0;
  /// Throws DataError where a model directory has no weights for this network.
  void require_weights(const std::filesystem::path& model_directory) const;
  /// Copies the weights of this network from a model directory that has them.
  virtual void initialise_from(const std::filesystem::path& model_directory, Recipe& recipe) const;
};

/// Throws UsageError on an unknown network, or one that this version cannot train.
std::unique_ptr<Job> make_job(const std::string& network);

}  // namespace echopath::training
