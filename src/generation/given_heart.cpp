#include "generation/given_heart.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/still.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::generation {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

/// The tensor of a latents file that holds hearts.
std::string heart_tensor(const io::SafetensorsFile& file, const std::string& path) {
  if (file.contains("mean")) return "mean";
  if (file.names().size() == 1) return file.names().front();
  throw DataError("'" + path + "' holds " + std::to_string(file.names().size()) +
                  " tensors and no 'mean'; a heart frame is 'mean', or the only tensor");
}

at::Tensor read_latent(const fs::path& path, std::int64_t frame,
                       const models::ModelDirectory& model) {
  require_file(path, "heart frame");
  const io::SafetensorsFile file(path);
  const std::string name = heart_tensor(file, path.string());
  const bool unscaled = name == "mean";
  const auto encoder = file.metadata().find("encoder_hash");
  if (unscaled && encoder != file.metadata().end() && !encoder->second.empty() &&
      encoder->second != model.encoder_hash()) {
    throw DataError("the latents in '" + path.string() +
                    "' were made by another VAE than that of '" + model.path().string() +
                    "'; encode the video with this model");
  }
  at::Tensor latents = file.tensor(name);
  const at::IntArrayRef wanted = model.info().latent_shape;
  if (latents.dim() == 3) latents = latents.unsqueeze(0);
  if (!latents.is_floating_point() || latents.dim() != 4 || latents.sizes().slice(1) != wanted) {
    throw DataError("'" + path.string() + "': tensor '" + name + "' is " +
                    shape_text(file.shape(name)) + ", but a heart frame of this model is " +
                    shape_text(wanted) + ", or [T, …] of them");
  }
  if (frame < 0 || frame >= latents.size(0)) {
    throw DataError("'" + path.string() + "' has no frame " + std::to_string(frame) + "; it has " +
                    std::to_string(latents.size(0)) + ", counted from 0");
  }
  at::Tensor heart = latents[frame].to(at::kFloat).clone();
  if (!at::isfinite(heart).all().item<bool>()) {
    throw DataError("'" + path.string() + "': tensor '" + name + "' is not finite");
  }
  return unscaled ? heart * model.info().latent_scaling_factor : heart;
}

}  // namespace

at::Tensor read_given_heart(const std::filesystem::path& path, std::int64_t frame,
                            const models::ModelDirectory& model, const FrameCodec& codec) {
  if (to_lower(path.extension().string()) == ".safetensors") {
    return read_latent(path, frame, model);
  }
  const io::Frames still = data::read_still(path, frame, model.info().image_size);
  return codec.encode(still).mean[0] * model.info().latent_scaling_factor;
}

}  // namespace echopath::generation
