#include "echopath/training/adam.hpp"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <torch/torch.h>

#include "echopath/core/errors.hpp"

namespace echopath::training {

Adam::Adam(std::vector<NamedParameter> parameters, const AdamOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const NamedParameter& parameter : parameters_) {
    exp_avgs_.push_back(at::zeros_like(parameter.tensor));
    exp_avg_sqs_.push_back(at::zeros_like(parameter.tensor));
    steps_.push_back(at::zeros({}, parameter.tensor.options().dtype(at::kFloat)));
  }
}

void Adam::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> weights, grads, exp_avgs, exp_avg_sqs, steps;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& weight = parameters_[i].tensor;
    if (!weight.grad().defined()) continue;
    weights.push_back(weight);
    // The fused kernel walks memory linearly: all of one parameter's tensors share one layout.
    grads.push_back(weight.grad().strides() == weight.strides()
                        ? weight.grad()
                        : at::empty_like(weight).copy_(weight.grad()));
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

void Adam::zero_grad() {
  for (NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

std::vector<at::Tensor> Adam::gradients() const {
  std::vector<at::Tensor> grads;
  for (const NamedParameter& parameter : parameters_) {
    if (parameter.tensor.grad().defined()) grads.push_back(parameter.tensor.grad());
  }
  return grads;
}

double Adam::clip_grad_norm(double max_norm) {
  torch::NoGradGuard no_grad;
  const std::vector<at::Tensor> grads = gradients();
  if (grads.empty()) return 0.0;
  const at::Tensor norms = at::stack(at::_foreach_norm(grads, 2)).to(at::kDouble);
  const double norm = norms.norm().item<double>();
  if (max_norm > 0 && norm > max_norm) {
    at::_foreach_mul_(grads, max_norm / (norm + 1e-6));
  }
  return norm;
}

io::TensorMap Adam::state() const {
  io::TensorMap state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    state[name + ".exp_avg"] = exp_avgs_[i];
    state[name + ".exp_avg_sq"] = exp_avg_sqs_[i];
    state[name + ".step"] = steps_[i];
  }
  return state;
}

void Adam::load_state(const io::TensorMap& state, const std::string& source) {
  torch::NoGradGuard no_grad;
  const auto copy = [&](const std::string& name, at::Tensor& target) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != target.sizes()) {
      throw DataError(source + ": optimizer state '" + name +
                      "' is missing or has another shape; the checkpoint is of another network");
    }
    target.copy_(found->second);
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    copy(name + ".exp_avg", exp_avgs_[i]);
    copy(name + ".exp_avg_sq", exp_avg_sqs_[i]);
    copy(name + ".step", steps_[i]);
  }
}

}  // namespace echopath::training
