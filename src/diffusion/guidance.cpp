#include "echopath/diffusion/guidance.hpp"

namespace echopath::diffusion {
namespace {

/// The standard deviation of each sample, of a shape that broadcasts against it.
at::Tensor deviation_of(const at::Tensor& samples) {
  std::vector<std::int64_t> dims;
  for (std::int64_t d = 1; d < samples.dim(); ++d) dims.push_back(d);
  return samples.std(dims, /*unbiased=*/true, /*keepdim=*/true);
}

at::Tensor rescaled(const at::Tensor& guided, const at::Tensor& conditional, double share) {
  const at::Tensor factor = deviation_of(conditional) / deviation_of(guided);
  return guided * (1.0 - share + share * factor);
}

}  // namespace

at::Tensor guided_prediction(const std::function<at::Tensor(Conditions)>& predict,
                             const GuidanceOptions& options, double noise_level) {
  const bool acts = noise_level >= options.interval_start && noise_level <= options.interval_end;
  if (!acts || (options.scale == 1.0 && options.frame_scale == 1.0)) return predict({});
  if (options.scale == 0.0 && options.frame_scale == 1.0) return predict({.label = false});

  // U + w_f·(F − U) + w·(C − F); F drops out where w = w_f, U where w_f = 1, C where w = 0.
  const double scale = options.scale, frame_scale = options.frame_scale;
  const Conditions frame_alone{.label = false}, none{.label = false, .frame = false};
  if (scale == 0.0) {
    const at::Tensor neither = predict(none);
    return frame_scale == 0.0 ? neither : neither + frame_scale * (predict(frame_alone) - neither);
  }
  const at::Tensor conditional = predict({});
  at::Tensor guided;
  if (frame_scale == 1.0) {
    const at::Tensor frame = predict(frame_alone);
    guided = frame + scale * (conditional - frame);
  } else {
    const at::Tensor neither = predict(none);
    if (scale == frame_scale) {
      guided = neither + scale * (conditional - neither);
    } else {
      const at::Tensor frame = predict(frame_alone);
      guided = neither + frame_scale * (frame - neither) + scale * (conditional - frame);
    }
  }
  return options.rescale == 0.0 ? guided : rescaled(guided, conditional, options.rescale);
}

}  // namespace echopath::diffusion
