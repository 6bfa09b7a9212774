#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::models::testing {

/// `count` numbers in [−1, 1) that depend on the name alone; the same as hashed_values of
/// tests/fixtures/models/make_fixtures.py.
torch::Tensor hashed_values(const std::string& name, std::int64_t count);

/// Sets every floating-point parameter and buffer to the fixture's weights.
void fill(torch::nn::Module& module, double stream_gain = 1.0);

/// One file of tests/fixtures/models.
class Fixture {
 public:
  explicit Fixture(const std::string& name);

  at::Tensor operator[](const std::string& name) const { return file_.tensor(name).clone(); }
  bool contains(const std::string& name) const { return file_.contains(name); }
  double stream_gain() const;
  const std::string& name() const { return name_; }
  /// The network's config.json as diffusers wrote it; for a ResNet, in our words.
  config::Json config_json() const;

  /// config_json() applied to `Options`.
  template <class Options>
  Options config() const {
    Options options;
    config::apply(config_json(), config::visit_of(options), name_);
    return options;
  }

  /// The names and shapes of the module's state dict are the reference's.
  void expect_state_dict(const torch::nn::Module& module) const;
  /// Compares `loss`'s gradients with all of the fixture's: inputs by their names, parameters by
  /// theirs. Relative to each gradient's largest magnitude, 1e-3.
  void expect_gradients(torch::nn::Module& module, const torch::Tensor& loss,
                        const std::map<std::string, torch::Tensor>& inputs) const;

 private:
  std::string name_;
  io::SafetensorsFile file_;
};

/// max|actual − expected| / max|expected|; not a number where either holds one, or all are zero.
double relative_error(const torch::Tensor& actual, const torch::Tensor& expected);

/// relative_error ≤ tolerance, and the same shape.
void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, double tolerance,
                  const std::string& what);

/// Σ output · direction, the fixtures' scalar loss.
torch::Tensor loss_of(const std::string& name, const torch::Tensor& output);

}  // namespace echopath::models::testing
