#include "echopath/training/ema.hpp"

#include <ATen/ops/_foreach_lerp.h>
#include <torch/torch.h>

#include "echopath/core/errors.hpp"

namespace echopath::training {

Ema::Ema(const std::vector<NamedParameter>& parameters, double decay)
    : parameters_(parameters), decay_(decay) {
  torch::NoGradGuard no_grad;
  for (const NamedParameter& parameter : parameters_) {
    shadow_.push_back(parameter.tensor.detach().clone());
  }
}

double Ema::decay_at(std::int64_t step, double max_decay) {
  if (step <= 1) return 0.0;
  const double n = static_cast<double>(step);
  return std::min(max_decay, n / (n + 9.0));
}

void Ema::update(std::int64_t step) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> weights;
  for (const NamedParameter& parameter : parameters_) weights.push_back(parameter.tensor.detach());
  at::_foreach_lerp_(shadow_, weights, 1.0 - decay_at(step, decay_));
}

void Ema::swap() {
  torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor kept = parameters_[i].tensor.detach().clone();
    parameters_[i].tensor.detach().copy_(shadow_[i]);
    shadow_[i].copy_(kept);
  }
}

io::TensorMap Ema::state() const {
  io::TensorMap state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) state[parameters_[i].name] = shadow_[i];
  return state;
}

void Ema::load_state(const io::TensorMap& state, const std::string& source) {
  torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto found = state.find(parameters_[i].name);
    if (found == state.end() || found->second.sizes() != shadow_[i].sizes()) {
      throw DataError(source + ": averaged weight '" + parameters_[i].name +
                      "' is missing or has another shape; the checkpoint is of another network");
    }
    shadow_[i].copy_(found->second);
  }
}

}  // namespace echopath::training
