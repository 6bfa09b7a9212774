#include "echopath/training/adam.hpp"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <torch/torch.h>

namespace echopath::training {

Adam::Adam(std::vector<NamedParameter> parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters)), options_(options) {
  for (const NamedParameter& parameter : this->parameters()) {
    exp_avgs_.push_back(at::zeros_like(parameter.tensor));
    exp_avg_sqs_.push_back(at::zeros_like(parameter.tensor));
    steps_.push_back(at::zeros({}, parameter.tensor.options().dtype(at::kFloat)));
  }
}

void Adam::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> weights, grads, exp_avgs, exp_avg_sqs, steps;
  for (const std::size_t i : with_gradient()) {
    weights.push_back(parameters()[i].tensor);
    grads.push_back(gradient_like_weight(i));
    exp_avgs.push_back(exp_avgs_[i]);
    exp_avg_sqs.push_back(exp_avg_sqs_[i]);
    steps.push_back(steps_[i].add_(1));
  }
  if (weights.empty()) return;
  const AdamOptions& o = options_;
  if (o.decoupled) {
    at::_fused_adamw_(weights, grads, exp_avgs, exp_avg_sqs, {}, steps, learning_rate, o.beta1,
                      o.beta2, o.weight_decay, o.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  } else {
    at::_fused_adam_(weights, grads, exp_avgs, exp_avg_sqs, {}, steps, learning_rate, o.beta1,
                     o.beta2, o.weight_decay, o.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
}

io::TensorMap Adam::state() const {
  io::TensorMap state;
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    const std::string& name = parameters()[i].name;
    state[name + ".exp_avg"] = exp_avgs_[i];
    state[name + ".exp_avg_sq"] = exp_avg_sqs_[i];
    state[name + ".step"] = steps_[i];
  }
  return state;
}

}  // namespace echopath::training
