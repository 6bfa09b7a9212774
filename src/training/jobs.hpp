#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// One network's options and how to make its recipe from them.
class Job {
 public:
  virtual ~Job() = default;
  virtual config::VisitFunction visit() = 0;
  virtual const LoopOptions& loop() const = 0;
  virtual const OutputOptions& output() const = 0;
  /// Parameters of the network that is shipped (a discriminator does not count).
  virtual std::int64_t parameter_count() const = 0;
  /// Rough size of what a forward pass keeps for the backward pass.
  virtual double activation_bytes() const = 0;
  /// What a real run would lack, one line each.
  virtual std::vector<std::string> missing() const = 0;
  virtual std::unique_ptr<Recipe> make_recipe(at::Device device) const = 0;
  /// Copies the weights of this network from a model directory.
  void initialise_from(const std::filesystem::path& model_directory, Recipe& recipe) const;
};

/// Throws UsageError on an unknown network, or one that this version cannot train.
std::unique_ptr<Job> make_job(const std::string& network);

}  // namespace echopath::training
