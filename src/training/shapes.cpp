#include "training/shapes.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/data/latent_dataset.hpp"

namespace echopath::training {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::int64_t kLatentSide = 14;  // 112 pixels through a VAE that halves three times

/// Networks over latents see them padded to a multiple of eight.
std::int64_t padded(std::int64_t side) {
  return (side + 7) / 8 * 8;
}

/// Latents before the network and as it takes and gives them. `frames` is {} or {T}.
NamedShapes diffusion_shapes(std::int64_t items, const Shape& frames, std::int64_t side,
                             std::int64_t in_channels, std::int64_t out_channels) {
  const auto shape = [&](std::int64_t channels, std::int64_t edge) {
    Shape all = {items};
    all.insert(all.end(), frames.begin(), frames.end());
    all.insert(all.end(), {channels, edge, edge});
    return all;
  };
  return {{"latents", shape(out_channels, side)},
          {"network input", shape(in_channels, padded(side))},
          {"network output", shape(out_channels, padded(side))}};
}

}  // namespace

NamedShapes shapes_of(const VaeOptions& options, std::int64_t items) {
  const models::AutoencoderKLConfig& model = options.model;
  const std::int64_t size = model.sample_size;
  const std::int64_t side = size >> (model.block_out_channels.size() - 1);
  return {{"frames", {items, model.in_channels, size, size}},
          {"latents", {items, model.latent_channels, side, side}},
          {"reconstructions", {items, model.out_channels, size, size}}};
}

NamedShapes shapes_of(const LidmOptions& options, std::int64_t items) {
  if (options.architecture == "UNet2DModel") {
    const models::UNet2DConfig& model = options.unconditional;
    return diffusion_shapes(items, {}, model.sample_size.value_or(kLatentSide), model.in_channels,
                            model.out_channels);
  }
  const models::UNet2DConditionConfig& model = options.conditional;
  NamedShapes shapes = diffusion_shapes(items, {}, model.sample_size.value_or(kLatentSide),
                                        model.in_channels, model.out_channels);
  shapes.emplace_back("class token", Shape{items, 1, options.class_embedding.width});
  return shapes;
}

NamedShapes shapes_of(const LvdmOptions& options, std::int64_t items) {
  const models::UNetSpatioTemporalConfig& model = options.model;
  NamedShapes shapes =
      diffusion_shapes(items, {options.block_length}, model.sample_size.value_or(kLatentSide),
                       model.in_channels, model.out_channels);
  shapes.emplace_back("class token", Shape{items, 1, options.class_embedding.width});
  return shapes;
}

NamedShapes shapes_of(const ReidOptions& options, std::int64_t items) {
  std::int64_t height = kLatentSide, width = kLatentSide;
  try {
    const Shape shape = data::LatentDataset::open(options.latents, true).latent_shape();
    height = shape[1];
    width = shape[2];
  } catch (const DataError&) {
    // No data yet: those of 112 pixels.
  }
  const Shape latents = {items, options.model.in_channels, height, width};
  return {{"first of a pair", latents},
          {"second of a pair", latents},
          {"embeddings", {items, options.model.embedding_dim}},
          {"logits", {items}}};
}

NamedShapes shapes_of(const ClassifierOptions& options, std::int64_t items) {
  const models::ClassifierConfig network = options.network();
  const std::int64_t frames = network.clip.frames, size = network.clip.sample_size;
  const Shape clips = {items, frames, size, size};
  if (!network.is_segmentation()) {
    return {{"clips", clips}, {"logits", {items, network.num_classes()}}};
  }
  return {{"clips", clips}, {"logits", {items * frames, network.num_classes(), size, size}}};
}

}  // namespace echopath::training
