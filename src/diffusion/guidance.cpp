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

  // U + w_f·(F − U) + w·(C − F); F drops out where w = w_f, U where w_f = 1.
  const at::Tensor conditional = predict({});
  at::Tensor guided;
  if (options.frame_scale == 1.0) {
    const at::Tensor frame = predict({.label = false});
    guided = frame + options.scale * (conditional - frame);
  } else {
    const at::Tensor neither = predict({.label = false, .frame = false});
    if (options.scale == options.frame_scale) {
      guided = neither + options.scale * (conditional - neither);
    } else {
      const at::Tensor frame = predict({.label = false});
      guided =
          neither + options.frame_scale * (frame - neither) + options.scale * (conditional - frame);
    }
  }
  return options.rescale == 0.0 ? guided : rescaled(guided, conditional, options.rescale);
}

}  // namespace echopath::diffusion
