#include "echopath/nn/feature_layer.hpp"

namespace echopath::nn {

torch::Tensor tokens_of(const torch::Tensor& feature_map) {
  return feature_map.permute({0, 2, 3, 1}).flatten(1, 2);
}

torch::Tensor feature_map_of(const torch::Tensor& tokens, std::int64_t height, std::int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

torch::Tensor per_frame(const torch::Tensor& row, std::int64_t frames) {
  return frames == 1 ? row : row.repeat_interleave(frames, 0);
}

}  // namespace echopath::nn
