#include "echopath/training/optimizer.hpp"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <torch/torch.h>

#include "echopath/core/errors.hpp"
#include "echopath/training/adam.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/sgd.hpp"

namespace echopath::training {

void Optimizer::zero_grad() {
  for (NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

std::vector<std::size_t> Optimizer::with_gradient() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].tensor.grad().defined()) found.push_back(i);
  }
  return found;
}

std::vector<at::Tensor> Optimizer::gradients() const {
  std::vector<at::Tensor> grads;
  for (const std::size_t i : with_gradient()) grads.push_back(parameters_[i].tensor.grad());
  return grads;
}

at::Tensor Optimizer::gradient_like_weight(std::size_t i) const {
  const at::Tensor& weight = parameters_[i].tensor;
  const at::Tensor& grad = weight.grad();
  return grad.strides() == weight.strides() ? grad : at::empty_like(weight).copy_(grad);
}

double Optimizer::clip_grad_norm(double max_norm) {
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

void Optimizer::load_state(const io::TensorMap& state, const std::string& source) {
  torch::NoGradGuard no_grad;
  for (auto& [name, own] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != own.sizes()) {
      throw DataError(source + ": optimizer state '" + name +
                      "' is missing or has another shape; the checkpoint is of another network");
    }
    own.copy_(found->second);
  }
}

std::unique_ptr<Optimizer> make_optimizer(std::vector<NamedParameter> parameters,
                                          const LoopOptions& loop) {
  if (loop.optimizer == "sgd") {
    return std::make_unique<Sgd>(std::move(parameters),
                                 SgdOptions{loop.sgd_momentum, loop.weight_decay});
  }
  const AdamOptions adam{loop.adam_beta1, loop.adam_beta2, loop.adam_epsilon, loop.weight_decay,
                         loop.optimizer == "adamw"};
  return std::make_unique<Adam>(std::move(parameters), adam);
}

std::int64_t optimizer_values(const LoopOptions& loop) {
  if (loop.optimizer == "sgd") return loop.sgd_momentum > 0 ? 1 : 0;
  return 2;
}

}  // namespace echopath::training
