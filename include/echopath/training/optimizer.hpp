#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::training {

struct LoopOptions;

/// A trainable tensor and the name under which its state is saved.
struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

/// Makes updates of parameters from their gradients, with state that can be saved.
class Optimizer {
 public:
  explicit Optimizer(std::vector<NamedParameter> parameters) : parameters_(std::move(parameters)) {}
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update from the parameters' gradients; a parameter without one is left as it is.
  virtual void step(double learning_rate) = 0;
  /// State as tensors `<parameter>.<what>`, which are the optimizer's own: writing into them sets
  /// it.
  virtual io::TensorMap state() const = 0;

  void zero_grad();
  /// The gradients that there are.
  std::vector<at::Tensor> gradients() const;
  /// L2 norm of the whole gradient; scaled down to `max_norm` where larger and max_norm > 0.
  double clip_grad_norm(double max_norm);
  /// Throws DataError naming the first missing or misshapen tensor.
  void load_state(const io::TensorMap& state, const std::string& source);

  const std::vector<NamedParameter>& parameters() const { return parameters_; }

 protected:
  /// Positions in parameters() of those that have a gradient.
  std::vector<std::size_t> with_gradient() const;
  /// The gradient of parameter `i` in the memory layout of the parameter, which the fused kernels
  /// walk linearly.
  at::Tensor gradient_like_weight(std::size_t i) const;

 private:
  std::vector<NamedParameter> parameters_;
};

/// The optimizer that `loop` names.
std::unique_ptr<Optimizer> make_optimizer(std::vector<NamedParameter> parameters,
                                          const LoopOptions& loop);
/// How many values of state it keeps for each parameter.
std::int64_t optimizer_values(const LoopOptions& loop);

}  // namespace echopath::training
