#include "echopath/training/sgd.hpp"

#include <ATen/ops/_fused_sgd.h>
#include <torch/torch.h>

namespace echopath::training {

Sgd::Sgd(std::vector<NamedParameter> parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters)), options_(options) {
  if (options_.momentum == 0) return;
  for (const NamedParameter& parameter : this->parameters()) {
    momenta_.push_back(at::zeros_like(parameter.tensor));
  }
}

void Sgd::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> weights, grads, momenta;
  for (const std::size_t i : with_gradient()) {
    weights.push_back(parameters()[i].tensor);
    grads.push_back(gradient_like_weight(i));
    if (!momenta_.empty()) momenta.push_back(momenta_[i]);
  }
  if (weights.empty()) return;
  // A momentum of zeros makes the first step what PyTorch's first step is.
  at::_fused_sgd_(weights, grads, momenta, options_.weight_decay, options_.momentum, learning_rate,
                  /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false,
                  /*is_first_step=*/false);
}

io::TensorMap Sgd::state() const {
  io::TensorMap state;
  for (std::size_t i = 0; i < momenta_.size(); ++i) {
    state[parameters()[i].name + ".momentum"] = momenta_[i];
  }
  return state;
}

}  // namespace echopath::training
