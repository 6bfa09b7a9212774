#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "training/loss_of.hpp"
#include "training/lvdm_recipe.hpp"
#include "training/made_latents.hpp"
#include "training/objective.hpp"

namespace echopath::training {

constexpr std::int64_t kBlock = 8;
constexpr std::int64_t kChannels = 4;
constexpr std::int64_t kSide = 6;  // padded to 8, one on each side
constexpr std::uint64_t kSeed = 42;

/// What one item of a batch is trained on.
struct Sample {
  at::Tensor x0;     ///< [kBlock, C, H, W]
  at::Tensor noise;  ///< the same
  at::Tensor v;      ///< the same: √ᾱ ε − √(1 − ᾱ) x0
  at::Tensor noisy;  ///< the same
  at::Tensor timestep;
};

class LvdmRecipeTest : public MadeLatents {
 protected:
  /// One training video of so many frames, one clip a step, no class dropped.
  LvdmOptions options(std::int64_t frames, std::vector<std::string> overrides = {}) {
    video_ = made_video(0, "TRAIN", frames, kSide);
    write({video_});
    overrides.insert(overrides.begin(),
                     {"data.latents=" + latents().string(), "compatibility.posterior=mean",
                      "training.batch_size=1", "diffusion.class_dropout=0"});
    return toy_options<LvdmOptions>("lvdm", overrides);
  }

  /// The clip from `start`, zero behind the video's end, as step `step` noises it.
  Sample sample(const LvdmOptions& options, std::int64_t step, std::int64_t start) const {
    const auto index = static_cast<std::uint32_t>(step);
    Sample sample;
    sample.x0 = at::zeros({kBlock, kChannels, kSide, kSide});
    const at::Tensor clip = kMadeScale * video_.mean.slice(0, start, start + kBlock);
    sample.x0.slice(0, 0, clip.size(0)).copy_(clip);
    sample.noise = normal_tensor(sample.x0.sizes(), {kSeed, Stream::kTrainingNoise, index, 0}) +
                   options.diffusion.noise_offset *
                       normal_tensor({1, kChannels, 1, 1}, {kSeed, Stream::kNoiseOffset, index, 0});
    sample.timestep = ObjectiveDraws(options.diffusion, {}, kSeed).timesteps({step, {0}});
    const auto [signal, noise] = signal_and_noise(sample.timestep.item<std::int64_t>());
    sample.v = signal * sample.noise - noise * sample.x0;
    sample.noisy = signal * sample.x0 + noise * sample.noise;
    return sample;
  }

  /// Where the clip of this step starts. A silent network's loss is that of the target alone.
  std::int64_t start_of(const LvdmOptions& options, LvdmRecipe& silent, std::int64_t step) const {
    std::vector<double> candidates;
    for (std::int64_t start = 0; start <= video_.mean.size(0) - kBlock; ++start) {
      candidates.push_back(sample(options, step, start).v.square().mean().item<double>());
    }
    return only_match(loss(silent, step), candidates);
  }

  /// The loss where the network is given these frames, [c, C, H, W].
  static double expected_loss(LvdmRecipe& recipe, const Sample& sample, const at::Tensor& given,
                              std::int64_t label) {
    torch::NoGradGuard no_grad;
    const auto network = module_of<models::UNetSpatioTemporalConditionModelImpl>(recipe, "lvdm");
    const auto embedding = module_of<models::ClassEmbeddingImpl>(recipe, "class_embedding");
    std::vector<at::Tensor> reference = given.unbind();
    while (static_cast<std::int64_t>(reference.size()) < kBlock) {
      reference.push_back(reference.back());
    }
    const at::Tensor input =
        at::replication_pad2d(at::cat({sample.noisy, at::stack(reference)}, 1), {1, 1, 1, 1});
    const at::Tensor output = network->forward(
        input.unsqueeze(0), sample.timestep, embedding->forward(at::tensor({label}, at::kLong)),
        at::full({1, network->config().added_time_id_count()}, 32.0))[0];
    return (output.slice(2, 1, kSide + 1).slice(3, 1, kSide + 1) - sample.v)
        .square()
        .mean()
        .item<double>();
  }

  static double loss(LvdmRecipe& recipe, std::int64_t step) {
    torch::NoGradGuard no_grad;
    Figures figures;
    return loss_of(recipe, 0, {step, {0}}, figures).item<double>();
  }

  static LvdmRecipe silent(const LvdmOptions& options) {
    LvdmRecipe recipe(options, at::kCPU);
    silence(recipe);
    return recipe;
  }

  at::Tensor scaled() const { return kMadeScale * video_.mean; }

  /// Over six steps, what the network is shown is given(the clip's first frame, another frame), and
  /// the other one comes from all over the video, outside the clip too.
  template <class Given>
  void expect_any_frame(const LvdmOptions& options, const Given& given) {
    LvdmRecipe mute = silent(options), recipe(options, at::kCPU);
    const std::int64_t frames = video_.mean.size(0);
    std::set<std::int64_t> found;
    int outside = 0;
    for (std::int64_t step = 0; step < 6; ++step) {
      const std::int64_t start = start_of(options, mute, step);
      const Sample drawn = sample(options, step, start);
      const at::Tensor first = scaled().slice(0, start, start + 1);
      std::vector<double> candidates;
      for (std::int64_t frame = 0; frame < frames; ++frame) {
        const at::Tensor other = scaled().slice(0, frame, frame + 1);
        candidates.push_back(expected_loss(recipe, drawn, given(first, other), 0));
      }
      const std::int64_t frame = only_match(loss(recipe, step), candidates);
      ASSERT_GE(frame, 0) << step;
      found.insert(frame);
      if (frame < start || frame >= start + kBlock) ++outside;
    }
    EXPECT_GT(found.size(), 3U);
    EXPECT_GT(outside, 0);
  }

  MadeVideo video_;
};

}  // namespace echopath::training
