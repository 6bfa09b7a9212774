#pragma once

#include <ATen/ATen.h>

#include <functional>

namespace echopath::diffusion {

/// Classifier-free guidance (Ho and Salimans 2022) in Imagen's convention: u + w·(c − u). w = 1 is
/// the conditional prediction, w = 0 the unconditional one.
at::Tensor combine_guidance(const at::Tensor& unconditional, const at::Tensor& conditional,
                            double guidance_scale);

/// Evaluates a network under guidance: `predict(true)` with the class, `predict(false)` with the
/// null class. w = 1 and w = 0 cost one evaluation.
at::Tensor guided_prediction(const std::function<at::Tensor(bool conditional)>& predict,
                             double guidance_scale);

}  // namespace echopath::diffusion
