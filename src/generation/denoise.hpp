#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/trajectory.hpp"
#include "echopath/models/class_embedding.hpp"

namespace echopath::generation {

/// Parses fp32, bf16 or fp16. Throws UsageError on another name.
at::ScalarType parse_precision(const std::string& name);

/// Throws UsageError where the device is too slow for it: fp16 on a CPU.
void require_fast(at::ScalarType dtype, at::Device device);

/// Where timestep t lies on the training schedule, in [0, 1].
double noise_level(const diffusion::NoiseSchedule& schedule, double t);

/// The context `[1, 1, D]` of each class in label order, and last that of "no condition". Where the
/// embedding takes the ejection fraction (percent), it is that of every class; throws UsageError
/// where none is given.
std::vector<at::Tensor> every_context(models::ClassEmbedding& embedding,
                                      std::optional<std::int64_t> ejection_fraction,
                                      at::Device device);

/// Throws DataError where a network says that it was made for latents of another size than the
/// model's `[C, h, w]`; the padded size (a multiple of 8) is right too.
void require_size(const std::vector<std::int64_t>& latent_shape,
                  std::optional<std::int64_t> sample_size, const std::string& what,
                  const std::string& model);

/// Throws DataError unless the model's latents are `[C, h, w]` and a network takes and gives the
/// channels they ask for. `what` names the network, `model` the directory.
void require_channels(const std::vector<std::int64_t>& latent_shape, std::int64_t in_channels,
                      std::int64_t expected_in, std::int64_t out_channels, const std::string& what,
                      const std::string& model);

}  // namespace echopath::generation
