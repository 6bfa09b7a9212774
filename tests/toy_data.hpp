#pragma once

// Data for the networks of tests/fixtures/toy.

#include <ATen/ATen.h>

#include <filesystem>
#include <string>

#include "echopath/core/random.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/video.hpp"

namespace echopath::tests {

inline data::Study toy_study(const std::string& file_name, int index, bool held_out) {
  data::Study study;
  study.file_name = file_name;
  study.class_name = index % 2 == 0 ? "ASD" : "Non-ASD";
  study.patient_id = "P" + std::to_string(index);
  study.split = held_out ? "VAL" : "TRAIN";
  study.fps = 32.0;
  return study;
}

/// A latents directory: latents [10, 4, 8, 8] of six patients of two classes, the last `validation`
/// of them in VAL.
inline void write_toy_latents(const std::filesystem::path& directory,
                              const std::string& encoder_hash, int validation = 2) {
  constexpr int kVideos = 6;
  std::vector<data::Study> studies;
  for (int i = 0; i < kVideos; ++i) {
    data::Study study =
        toy_study("video_" + std::to_string(i) + ".avi", i, i >= kVideos - validation);
    study.number_of_frames = 10;
    const at::Tensor mean =
        normal_tensor({10, 4, 8, 8}, {1, Stream::kDataset, static_cast<std::uint32_t>(i), 0});
    data::write_latents(directory, study, {mean, at::full_like(mean, -4.0)}, 0.5, encoder_hash);
    studies.push_back(study);
  }
  data::write_file_list(directory / "FileList.csv", studies);
}

/// A dataset: videos of grey noise, [3, 32, 32], the last `validation` of them in VAL.
inline void write_toy_videos(const std::filesystem::path& directory, int validation = 1,
                             int videos = 4) {
  std::vector<data::Study> studies;
  for (int i = 0; i < videos; ++i) {
    io::Frames frames;
    frames.count = 3;
    frames.height = frames.width = 32;
    frames.fps = 32;
    const at::Tensor noise =
        normal_tensor({3, 32, 32}, {2, Stream::kDataset, static_cast<std::uint32_t>(i), 0});
    const at::Tensor grey = (noise * 50 + 128).clamp(0, 255).to(at::kByte).contiguous();
    frames.pixels.assign(grey.const_data_ptr<std::uint8_t>(),
                         grey.const_data_ptr<std::uint8_t>() + grey.numel());
    data::Study study =
        toy_study("noise" + std::to_string(i) + ".avi", i, i >= videos - validation);
    study.number_of_frames = 3;
    study.frame_height = study.frame_width = 32;
    io::write_video(directory / "Videos" / study.file_name, frames);
    studies.push_back(study);
  }
  data::write_file_list(directory / "FileList.csv", studies);
}

}  // namespace echopath::tests
