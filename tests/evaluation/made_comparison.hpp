#pragma once

// A model directory with two small classifiers, and datasets of noise to compare.

#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/formula_weights.hpp"

namespace echopath::evaluation::testing {

/// classifier_asd and classifier_pah, frame by frame, 16×16, features of width 32 each; with
/// `clips`, classifier_clip too, which looks at clips.
inline void write_classifiers(const std::filesystem::path& model, bool clips = false) {
  const torch::NoGradGuard no_gradients;
  for (const std::string disease : {"asd", "pah", "clip"}) {
    if (disease == "clip" && !clips) continue;
    models::ClassifierConfig config;
    config.architecture = disease == "clip" ? "r3d_18" : "resnet50";
    config.classes = {"Non-" + disease, disease};
    config.video = {1, 4, {1, 1, 1, 1}};
    config.image.in_channels = 1;
    config.image.width = 4;
    config.image.depths = {1, 1, 1, 1};
    config.image.block = "basic";
    config.clip.sample_size = 16;
    config.clip.mean = config.clip.deviation = {0.5};
    const models::Classifier classifier(config);
    std::uint32_t layer = 0;
    for (torch::Tensor& weight : classifier.module()->parameters()) {
      const NoiseKey key{disease == "asd" ? 3U : 4U, Stream::kDataset, layer++, 0};
      if (weight.dim() > 1) {
        const double fan_in =
            static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
        weight.copy_(normal_tensor(weight.sizes(), key) * std::sqrt(2 / fan_in));
      }
    }
    models::save_component(
        model,
        {"classifier_" + disease, "Classifier", config::dump(config::visit_of(config)), at::kFloat},
        *classifier);
  }
  models::update_model_info(model, [](models::ModelInfo&) {});
}

struct MadeVideos {
  std::int64_t videos = 12;
  std::int64_t frames = 10;
  std::int64_t size = 16;
  std::uint32_t seed = 1;
  double contrast = 40.0;
  double fps = 32.0;
};

/// A dataset of noise, classes ASD and Non-ASD in turn, each video its own patient.
inline void write_noise(const std::filesystem::path& directory, const MadeVideos& made = {}) {
  std::vector<data::Study> studies;
  for (std::int64_t i = 0; i < made.videos; ++i) {
    io::Frames frames;
    frames.count = made.frames;
    frames.height = frames.width = made.size;
    frames.fps = made.fps;
    const NoiseKey key{made.seed, Stream::kDataset, static_cast<std::uint32_t>(i), 7};
    const at::Tensor grey =
        (normal_tensor({made.frames, made.size, made.size}, key) * made.contrast + 100 +
         3.0 * static_cast<double>(i))
            .clamp(0, 255)
            .to(at::kByte)
            .contiguous();
    frames.pixels.assign(grey.const_data_ptr<std::uint8_t>(),
                         grey.const_data_ptr<std::uint8_t>() + grey.numel());
    data::Study study;
    study.file_name = "v" + std::to_string(i) + ".avi";
    study.class_name = i % 2 == 0 ? "ASD" : "Non-ASD";
    study.patient_id = "P" + std::to_string(i);
    study.split = "TEST";
    study.fps = made.fps;
    study.number_of_frames = made.frames;
    study.frame_height = study.frame_width = made.size;
    io::write_video(directory / "Videos" / study.file_name, frames);
    studies.push_back(study);
  }
  data::write_file_list(directory / "FileList.csv", studies);
}

}  // namespace echopath::evaluation::testing
