#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

namespace echopath::nn {

/// While one lives with `enabled`, the layers that this thread runs with gradients keep nothing but
/// their inputs, and run again in the backward pass (Chen et al. 2016, "Training deep nets with
/// sublinear memory cost"): less memory for one more forward pass.
class CheckpointingScope {
 public:
  explicit CheckpointingScope(bool enabled);
  ~CheckpointingScope();
  CheckpointingScope(const CheckpointingScope&) = delete;
  CheckpointingScope& operator=(const CheckpointingScope&) = delete;

  /// Whether layers are to be checkpointed here and now.
  static bool active();

 private:
  bool outer_;
};

/// Part of a network: a function of tensors and of the parameters it owns, without side effects.
using Segment = std::function<torch::Tensor(const std::vector<torch::Tensor>& inputs)>;

/// `segment(inputs)`, of which nothing but the inputs is kept for the backward pass; there the
/// segment runs again, under the autocast state and with the random numbers of the first time.
/// `parameters` are all those that it uses: they are inputs of the graph's node, so that hooks on
/// their gradients (c10d::Reducer's) act as they do without. Inputs must be defined.
torch::Tensor checkpoint(const Segment& segment, const std::vector<torch::Tensor>& inputs,
                         const std::vector<torch::Tensor>& parameters);

}  // namespace echopath::nn
