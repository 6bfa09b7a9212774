#include "training/loss_scaler.hpp"

#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>

#include <map>

namespace echopath::training {
namespace {

constexpr std::int64_t kGrowthInterval = 2000;
constexpr double kGrowthFactor = 2.0;
constexpr double kBackoffFactor = 0.5;

}  // namespace

bool LossScaler::unscale(const std::vector<at::Tensor>& gradients) const {
  if (!enabled_ || gradients.empty()) return false;
  at::NoGradGuard no_grad;
  // The kernel takes gradients of one type; a network has few.
  std::map<at::ScalarType, std::vector<at::Tensor>> by_type;
  for (const at::Tensor& gradient : gradients) by_type[gradient.scalar_type()].push_back(gradient);
  const auto number = gradients.front().options().dtype(at::kFloat);
  at::Tensor found = at::zeros({}, number);
  const at::Tensor inverse = at::full({}, 1.0 / scale_, number);
  for (const auto& [type, list] : by_type) {
    at::_amp_foreach_non_finite_check_and_unscale_(list, found, inverse);
  }
  return found.item<double>() > 0;
}

void LossScaler::update(bool overflowed) {
  if (!enabled_) return;
  if (overflowed) {
    scale_ *= kBackoffFactor;
    good_steps_ = 0;
  } else if (++good_steps_ == kGrowthInterval) {
    scale_ *= kGrowthFactor;
    good_steps_ = 0;
  }
}

config::Json LossScaler::state() const {
  return {{"scale", scale_}, {"good_steps", good_steps_}};
}

void LossScaler::load_state(const config::Json& state) {
  scale_ = state.at("scale").get<double>();
  good_steps_ = state.at("good_steps").get<std::int64_t>();
}

}  // namespace echopath::training
