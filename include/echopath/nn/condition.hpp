#pragma once

#include <torch/torch.h>

#include <memory>
#include <unordered_map>
#include <utility>

namespace echopath::nn {

/// What a network is told besides its sample: a time embedding, a context, frame numbers. Layers
/// derive tensors of their own from it (a projection, keys and values).
///
/// A condition that is given at many steps of a sampling run can be made lasting(): then each layer
/// derives its tensor at the first of them, and the condition keeps it, with its copies, as long as
/// they live. What is kept belongs to this value alone; it holds while the weights stay as they
/// are, and without gradients.
class Condition {
 public:
  Condition() = default;
  /// Layers derive anew each time.
  Condition(torch::Tensor value) : value_(std::move(value)) {}
  /// Layers derive once.
  static Condition lasting(torch::Tensor value) {
    Condition condition(std::move(value));
    condition.derived_ = std::make_shared<Derived>();
    return condition;
  }

  bool defined() const { return value_.defined(); }
  const torch::Tensor& value() const { return value_; }

  /// `compute(value())`, for `layer`; it must depend on nothing else that changes.
  template <class Compute>
  torch::Tensor derive(const torch::nn::Module& layer, const Compute& compute) const {
    if (!derived_) return compute(value_);
    TORCH_CHECK(!torch::GradMode::is_enabled(), "a lasting condition takes no gradients");
    const auto found = derived_->find(&layer);
    if (found != derived_->end()) return found->second;
    return derived_->emplace(&layer, compute(value_)).first->second;
  }

 private:
  using Derived = std::unordered_map<const torch::nn::Module*, torch::Tensor>;

  torch::Tensor value_;
  std::shared_ptr<Derived> derived_;  ///< null: nothing is kept
};

}  // namespace echopath::nn
