#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::training {

/// A trainable tensor and the name under which its state is saved.
struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool decoupled = false;  ///< AdamW (Loshchilov & Hutter, 2019)
};

/// Adam (Kingma & Ba, 2015) through LibTorch's fused kernel, with state that can be saved.
class Adam {
 public:
  Adam(std::vector<NamedParameter> parameters, const AdamOptions& options);

  /// One update from the parameters' gradients; a parameter without one is left as it is.
  void step(double learning_rate);
  void zero_grad();
  /// The gradients that there are.
  std::vector<at::Tensor> gradients() const;
  /// L2 norm of the whole gradient; scaled down to `max_norm` where larger and max_norm > 0.
  double clip_grad_norm(double max_norm);

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  /// State as tensors `<name>.exp_avg`, `<name>.exp_avg_sq`, `<name>.step`.
  io::TensorMap state() const;
  /// Throws DataError naming the first missing or misshapen tensor.
  void load_state(const io::TensorMap& state, const std::string& source);

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<at::Tensor> exp_avgs_;
  std::vector<at::Tensor> exp_avg_sqs_;
  std::vector<at::Tensor> steps_;
  AdamOptions options_;
};

}  // namespace echopath::training
