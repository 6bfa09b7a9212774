#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>

#include "models/weight_check.hpp"

namespace echopath::models {

/// The weights of a file or a map, as far as checking and copying needs them.
struct WeightSource {
  TensorSpecs specs;
  std::function<at::Tensor(const std::string&)> tensor;
  std::function<void(const std::string&)> done;  ///< called once a tensor is checked and taken
  /// Whether the module may take the tensor itself instead of a copy: nothing else uses its memory.
  std::function<bool(const std::string&)> may_keep;
};

/// load_weights() of echopath/models/weights.hpp.
void load_weights(torch::nn::Module& module, const WeightSource& weights,
                  const std::string& source);

}  // namespace echopath::models
