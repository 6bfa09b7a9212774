#include "echopath/diffusion/frame_noise.hpp"

#include <cmath>
#include <vector>

namespace echopath::diffusion {

at::Tensor frame_noise(at::IntArrayRef sizes, double correlation, const NoiseKey& own,
                       const NoiseKey& shared) {
  at::Tensor noise = normal_tensor(sizes, own);
  if (correlation == 0.0) return noise;
  std::vector<std::int64_t> one_frame = sizes.vec();
  one_frame.at(1) = 1;
  return std::sqrt(1.0 - correlation) * noise +
         std::sqrt(correlation) * normal_tensor(one_frame, shared);
}

}  // namespace echopath::diffusion
