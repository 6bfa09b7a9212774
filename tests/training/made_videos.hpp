#pragma once

#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/io/video.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {

/// Tests in a folder of their own, over dataset directories whose pixels they know.
class MadeVideos : public MadeLatents {
 protected:
  /// Writes [T, H, W] as a video of `folder` (Videos or Masks), cut to whole grey levels.
  static void write_pixels(const fs::path& file, const at::Tensor& grey) {
    const at::Tensor bytes = grey.clamp(0, 255).to(at::kByte).contiguous();
    io::Frames frames;
    frames.count = bytes.size(0);
    frames.height = bytes.size(1);
    frames.width = bytes.size(2);
    frames.fps = 32;
    frames.pixels.assign(bytes.const_data_ptr<std::uint8_t>(),
                         bytes.const_data_ptr<std::uint8_t>() + bytes.numel());
    io::write_video(file, frames);
  }

  /// Adds a video of a patient of its own to a dataset directory of this test; list() writes its
  /// FileList.csv.
  data::Study& add(const std::string& dataset, const std::string& class_name,
                   const std::string& split, const at::Tensor& grey) {
    std::vector<data::Study>& studies = studies_[dataset];
    data::Study study;
    study.file_name = "video_" + std::to_string(studies.size()) + ".avi";
    study.class_name = class_name;
    study.patient_id = dataset + std::to_string(studies.size());
    study.split = split;
    study.fps = 32.0;
    study.number_of_frames = grey.size(0);
    study.frame_height = grey.size(1);
    study.frame_width = grey.size(2);
    write_pixels(folder_ / dataset / "Videos" / study.file_name, grey);
    studies.push_back(study);
    return studies.back();
  }
  void list(const std::string& dataset) {
    data::write_file_list(folder_ / dataset / "FileList.csv", studies_[dataset]);
  }

  /// Grey noise [frames, side, side] that depends on `index` alone.
  static at::Tensor noise(int index, std::int64_t frames = 4, std::int64_t side = 32) {
    return normal_tensor({frames, side, side},
                         {5, Stream::kDataset, static_cast<std::uint32_t>(index), 0}) *
               50.0 +
           128.0;
  }

  std::map<std::string, std::vector<data::Study>> studies_;
};

}  // namespace echopath::training
