#pragma once

#include <functional>
#include <string>
#include <vector>

#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// How a pass of a step is repeated: the same draws, autocast and scale of the loss.
struct RepeatedPass {
  std::function<Batch(const MicroBatch&)> load;
  /// The loss that the backward pass starts from.
  std::function<at::Tensor(const Batch&)> loss;
};

/// Repeats the passes of a step whose loss or gradient was not finite, on this process alone, and
/// says in words where that begins: a tensor of the data, or the first layer in the order of
/// computation (forward, then backward) that takes or gives a number that is not finite; and for
/// which items, found by halving the batch. Empty where this process's passes are finite. Leaves
/// the parameters without gradients.
std::string explain_not_finite(const std::vector<NamedModule>& modules,
                               const std::vector<Batch>& batches, const RepeatedPass& pass);

}  // namespace echopath::training
