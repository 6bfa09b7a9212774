#include "echopath/diffusion/guidance.hpp"

namespace echopath::diffusion {

at::Tensor combine_guidance(const at::Tensor& unconditional, const at::Tensor& conditional,
                            double guidance_scale) {
  return unconditional + guidance_scale * (conditional - unconditional);
}

at::Tensor guided_prediction(const std::function<at::Tensor(bool conditional)>& predict,
                             double guidance_scale) {
  if (guidance_scale == 1.0) return predict(true);
  if (guidance_scale == 0.0) return predict(false);
  const at::Tensor unconditional = predict(false);
  return combine_guidance(unconditional, predict(true), guidance_scale);
}

}  // namespace echopath::diffusion
