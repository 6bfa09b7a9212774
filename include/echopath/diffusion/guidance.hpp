#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "echopath/diffusion/guidance_options.hpp"

namespace echopath::diffusion {

/// Which conditions a network is given.
struct Conditions {
  bool label = true;  ///< the class, or else the null class
  bool frame = true;  ///< the reference frame, or else zeros
};

/// Evaluates a network under guidance: U + w_f·(F − U) + w·(C − F), where U has neither condition,
/// F the frame alone and C both; with the frame's scale w_f = 1 that is F + w·(C − F). Only the
/// branches whose weight is not zero are evaluated: one where w is 0 or 1 and w_f is 1.
/// `noise_level` is t / T in [0, 1]. The standard deviations of the rescaling are of each sample
/// along the first dimension.
at::Tensor guided_prediction(const std::function<at::Tensor(Conditions)>& predict,
                             const GuidanceOptions& options, double noise_level);

}  // namespace echopath::diffusion
