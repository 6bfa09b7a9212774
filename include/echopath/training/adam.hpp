#pragma once

#include <vector>

#include "echopath/training/optimizer.hpp"

namespace echopath::training {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool decoupled = false;  ///< AdamW (Loshchilov & Hutter, 2019)
};

/// Adam (Kingma & Ba, 2015) through LibTorch's fused kernel. State: `<name>.exp_avg`,
/// `<name>.exp_avg_sq`, `<name>.step`.
class Adam : public Optimizer {
 public:
  Adam(std::vector<NamedParameter> parameters, const AdamOptions& options);

  void step(double learning_rate) override;
  io::TensorMap state() const override;

 private:
  std::vector<at::Tensor> exp_avgs_;
  std::vector<at::Tensor> exp_avg_sqs_;
  std::vector<at::Tensor> steps_;
  AdamOptions options_;
};

}  // namespace echopath::training
