#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::models {

/// What a network expects of a tensor, or what a file has.
struct TensorSpec {
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};
using TensorSpecs = std::map<std::string, TensorSpec>;

TensorSpecs specs_of(const io::TensorMap& tensors);

/// How weights differ from what a network expects; each list names every key.
struct WeightFaults {
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::vector<std::string> wrong_shape;  ///< "key is [2, 3], not [3, 2]"
  std::vector<std::string> wrong_dtype;  ///< "key is Int, not Float"
  std::vector<std::string> not_finite;

  bool none() const;
  /// "<source>: the weights do not fit the network; missing: …; not in the network: …; …".
  std::string message(const std::string& source) const;
};

/// Compares names, shapes and kinds of numbers. Floating-point types may stand for each other, and
/// so may integers.
WeightFaults compare_weights(const TensorSpecs& expected, const TensorSpecs& found);

/// Whether no value is NaN or infinite.
bool all_finite(const at::Tensor& tensor);

}  // namespace echopath::models
