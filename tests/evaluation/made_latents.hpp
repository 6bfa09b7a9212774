#pragma once

// Latents directories of noise, as the toy model of tests/generation takes them.

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "generation/toy_model.hpp"

namespace echopath::evaluation::testing {

struct MadeLatents {
  std::string name;
  std::string split;
  at::Tensor mean;           ///< [T, 4, 14, 14]
  std::string patient = {};  ///< empty: one of its own
  std::string file_name() const { return name + ".avi"; }
};

/// Noise [frames, 4, 14, 14]; another `number`, another noise.
inline at::Tensor drawn_latents(std::uint32_t number, std::int64_t frames) {
  constexpr std::int64_t kSize = generation::testing::kToyLatentSize;
  return normal_tensor({frames, 4, kSize, kSize}, {21, Stream::kDataset, number, 0});
}

inline void write_latents(const std::filesystem::path& directory,
                          const std::vector<MadeLatents>& videos, double fps = 32.0) {
  std::vector<data::Study> studies;
  for (const MadeLatents& video : videos) {
    data::Study study;
    study.file_name = video.file_name();
    study.class_name = "ASD";
    study.patient_id = video.patient.empty() ? video.name : video.patient;
    study.split = video.split;
    study.fps = fps;
    study.number_of_frames = video.mean.size(0);
    data::write_latents(directory, study, {video.mean, at::full_like(video.mean, -4.0)}, 0.5, "");
    studies.push_back(study);
  }
  data::write_file_list(directory / "FileList.csv", studies);
}

}  // namespace echopath::evaluation::testing
