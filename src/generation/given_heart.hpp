#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>

#include "echopath/generation/frame_codec.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// The heart frame that a file gives: a scaled latent [C, h, w] as the LVDM takes it, float32 on
/// the CPU. A safetensors file holds latents: `mean` [T, C, h, w] or [C, h, w], unscaled, as
/// `encode` writes them, or else one tensor of these shapes, scaled, as in a trace. Anything else
/// is a picture, video or DICOM file (data::read_still), encoded with the model's VAE. `frame`
/// counts from 0. Throws DataError naming the file.
at::Tensor read_given_heart(const std::filesystem::path& path, std::int64_t frame,
                            const models::ModelDirectory& model, const FrameCodec& codec);

}  // namespace echopath::generation
