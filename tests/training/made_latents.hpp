#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/training/recipe.hpp"
#include "training/loss_of.hpp"

namespace echopath::training {

/// Latents as a network sees them are this times what is written.
constexpr double kMadeScale = 0.5;

/// A latent video with the row that lists it.
struct MadeVideo {
  data::Study study;
  at::Tensor mean;  ///< [T, 4, side, side], unscaled
};

/// Video `index` of a patient of its own; even ones are of class ASD (label 0 of the toy configs),
/// odd ones of class Non-ASD (label 1).
inline MadeVideo made_video(int index, const std::string& split, std::int64_t frames,
                            std::int64_t side) {
  data::Study study;
  study.file_name = "video_" + std::to_string(index) + ".avi";
  study.class_name = index % 2 == 0 ? "ASD" : "Non-ASD";
  study.patient_id = "P" + std::to_string(index);
  study.split = split;
  study.fps = 32.0;
  study.number_of_frames = frames;
  return {study, normal_tensor({frames, 4, side, side},
                               {11, Stream::kDataset, static_cast<std::uint32_t>(index), 0})};
}

/// Video `index` of 96 frames of a heart with a beat every `period` frames, which moves least in
/// frame `still` and those a whole number of beats from there. Videos of one `motion` move alike.
inline MadeVideo beating_video(int index, const std::string& split, double period, double still,
                               std::int64_t side, std::uint32_t motion = 0) {
  constexpr std::int64_t kFrames = 96;
  MadeVideo video = made_video(index, split, kFrames, side);
  const auto pattern = [&](std::uint32_t which) {
    return normal_tensor({1, 4, side / 2, side / 2}, {12, Stream::kDataset, which, motion})
        .repeat_interleave(2, 2)
        .repeat_interleave(2, 3);
  };
  // Fast on one side of the cycle and slow on the other, slowest at π.
  const at::Tensor time =
      (at::arange(kFrames, at::kDouble) - still) * (2.0 * std::numbers::pi / period) +
      std::numbers::pi;
  const at::Tensor phase = time + 0.6 * time.sin();
  const auto over_time = [](const at::Tensor& values) {
    return values.to(at::kFloat).view({-1, 1, 1, 1});
  };
  video.mean = 0.1 * video.mean + over_time(phase.cos()) * pattern(1) +
               0.5 * over_time(phase.sin()) * pattern(2);
  return video;
}

/// Tests in a folder of their own, over latents whose values they know.
class MadeLatents : public testing::Test {
 protected:
  void SetUp() override {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("echopath_" + std::to_string(getpid()) + "_" +
                                           test.test_suite_name() + "_" + test.name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Writes them as a latents directory, with next to no spread around their means. Where none is
  /// held out, one more is, so that the directory can be trained on.
  void write(std::vector<MadeVideo> videos) const {
    const bool held_out = std::any_of(videos.begin(), videos.end(), [](const MadeVideo& video) {
      return video.study.split == "VAL";
    });
    if (!held_out) {
      MadeVideo held = videos.front();
      held.study.file_name = "held_out.avi";
      held.study.patient_id = "held out";
      held.study.split = "VAL";
      videos.push_back(std::move(held));
    }
    std::vector<data::Study> studies;
    for (const MadeVideo& video : videos) {
      data::write_latents(latents(), video.study, {video.mean, at::full_like(video.mean, -30.0)},
                          kMadeScale, std::string(64, 'a'));
      studies.push_back(video.study);
    }
    data::write_file_list(latents() / "FileList.csv", studies);
  }
  fs::path latents() const { return folder_ / "latents"; }

  /// The options of tests/fixtures/toy/NETWORK.json with these changes.
  template <class Options>
  static Options toy_options(const std::string& network,
                             const std::vector<std::string>& overrides) {
    Options options;
    const fs::path file =
        fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy" / (network + ".json");
    config::apply(config::read_json(file.string()), config::visit_of(options), file.string());
    config::apply_overrides(overrides, config::visit_of(options));
    return options;
  }

  fs::path folder_;
};

/// The module of phase 0 with this name.
template <class Module>
std::shared_ptr<Module> module_of(Recipe& recipe, const std::string& name) {
  for (const NamedModule& named : recipe.modules(0)) {
    if (named.name == name) return std::dynamic_pointer_cast<Module>(named.module);
  }
  return nullptr;
}

/// Which rows of the class embedding have a gradient after this batch.
inline std::vector<bool> class_rows_that_learn(Recipe& recipe, const MicroBatch& batch) {
  Figures figures;
  loss_of(recipe, 0, batch, figures).backward();
  const auto embedding = module_of<models::ClassEmbeddingImpl>(recipe, "class_embedding");
  const at::Tensor gradient = embedding->parameters().front().grad().abs().sum(1);
  std::vector<bool> rows;
  for (std::int64_t i = 0; i < gradient.numel(); ++i) {
    rows.push_back(gradient[i].item<double>() > 0);
  }
  return rows;
}

/// Makes the network answer zero, so that a loss is the mean square of its target.
inline void silence(Recipe& recipe) {
  torch::NoGradGuard no_grad;
  for (const at::Tensor& parameter : recipe.modules(0).front().module->parameters()) {
    parameter.zero_();
  }
}

/// Signal and noise of timestep t of the published schedule: 1000 betas from 1e-4 to 0.02.
inline std::pair<double, double> signal_and_noise(std::int64_t t) {
  const at::Tensor betas = at::linspace(1e-4, 0.02, 1000, at::kDouble);
  const double kept = (1.0 - betas.slice(0, 0, t + 1)).prod().item<double>();
  return {std::sqrt(kept), std::sqrt(1.0 - kept)};
}

/// Which of the candidates a value is, where it is exactly one of them; else −1.
inline std::int64_t only_match(double value, const std::vector<double>& candidates) {
  std::int64_t found = -1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    // So that a value that is no number matches nothing.
    if (!(std::abs(candidates[i] - value) <= 2e-5 * std::abs(value))) continue;
    if (found >= 0) return -1;
    found = static_cast<std::int64_t>(i);
  }
  return found;
}

}  // namespace echopath::training
