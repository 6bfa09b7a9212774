#include "generation/video_outputs.hpp"

#include <cstdio>
#include <fstream>
#include <opencv2/core.hpp>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/dicom_writer.hpp"
#include "echopath/io/png.hpp"
#include "echopath/io/video.hpp"

namespace echopath::generation {
namespace {

/// The posterior of latents that are sampled and not encoded has no spread.
constexpr double kNoSpread = -30.0;

class VideoSink final : public FrameSink {
 public:
  VideoSink(const fs::path& path, const std::string& codec, const ManifestEntry& entry)
      : writer_(path, options_of(codec, entry)) {}
  void write(const std::uint8_t* frame) override { writer_.write(frame); }
  void finish() override { writer_.finish(); }

 private:
  static io::VideoWriterOptions options_of(const std::string& codec, const ManifestEntry& entry) {
    io::VideoWriterOptions options;
    options.codec = codec;
    options.width = entry.width;
    options.height = entry.height;
    options.fps = entry.fps;
    options.metadata = tags_of(entry);
    return options;
  }

  io::VideoWriter writer_;
};

/// Frees the name that a killed run may have left a whole folder under.
const fs::path& freed(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
  return path;
}

/// 00000.png, 00001.png, … and metadata.json.
class PngSink final : public FrameSink {
 public:
  PngSink(const fs::path& path, const ManifestEntry& entry)
      : path_(path), entry_(entry), folder_(freed(path)) {}

  void write(const std::uint8_t* frame) override {
    char name[32];
    std::snprintf(name, sizeof(name), "%05lld.png", static_cast<long long>(written_++));
    const cv::Mat image(static_cast<int>(entry_.height), static_cast<int>(entry_.width), CV_8UC1,
                        const_cast<std::uint8_t*>(frame));
    std::ofstream file(folder_.temporary_path() / name, std::ios::binary);
    if (!(file << io::png_of(image)).flush()) {
      throw DataError("cannot write '" + (path_ / name).string() + "': is the disk full?");
    }
  }

  void finish() override {
    config::Json description = config::Json::parse(tags_of(entry_).at("comment"));
    description["fps"] = entry_.fps;
    description["frames"] = entry_.frames;
    write_file(folder_.temporary_path() / "metadata.json", description.dump(2) + "\n");
    folder_.commit();
  }

 private:
  fs::path path_;
  ManifestEntry entry_;
  AtomicDirectory folder_;
  std::int64_t written_ = 0;
};

class DicomSink final : public FrameSink {
 public:
  DicomSink(const fs::path& path, const ManifestEntry& entry, const RunIdentity& run)
      : writer_(path, options_of(entry, run)) {}
  void write(const std::uint8_t* frame) override { writer_.write(frame); }
  void finish() override { writer_.finish(); }

 private:
  static io::DicomWriterOptions options_of(const ManifestEntry& entry, const RunIdentity& run) {
    io::DicomWriterOptions options;
    options.width = entry.width;
    options.height = entry.height;
    options.frames = entry.frames;
    options.fps = entry.fps;
    options.heart_rate = entry.heart_rate;
    options.name = fs::path(entry.file).stem().string();
    // Each clip is the only one of its study: a study has one patient, and theirs differ.
    options.image_key = run.key + " " + entry.class_name + " " + std::to_string(entry.seed);
    // Of hearts that were all refused the best is taken: their number decides which.
    if (!entry.filtered) options.image_key += " of " + std::to_string(entry.redraws);
    options.study_key = options.series_key = options.image_key;
    options.description = tags_of(entry).at("comment");
    return options;
  }

  io::DicomWriter writer_;
};

}  // namespace

std::map<std::string, std::string> tags_of(const ManifestEntry& entry) {
  std::string hashes;
  for (const auto& [component, hash] : entry.weight_hashes) hashes += component + "=" + hash + ";";
  const config::Json comment = {{"generator", "echopath"},
                                {"synthetic", true},
                                {"class", entry.class_name},
                                {"seed", entry.seed},
                                {"guidance_scale", entry.guidance_scale},
                                {"video_guidance", entry.to_json().at("video_guidance")},
                                {"heart_rate", entry.to_json().at("heart_rate")},
                                {"model_hash", sha256_hex(hashes)}};
  return {{"title", entry.class_name + " seed " + std::to_string(entry.seed) + " (synthetic)"},
          {"comment", comment.dump()}};
}

VideoOutputs::VideoOutputs(const std::filesystem::path& directory, const ManifestEntry& entry,
                           const RunIdentity& run)
    : entry_(entry), run_(run) {
  for (const std::string& file : entry.also) {
    const fs::path path = directory / file;
    if (file.starts_with("Latents/")) {
      latents_file_ = path;
    } else if (file.starts_with("PNG/")) {
      sinks_.push_back(std::make_unique<PngSink>(path, entry));
    } else if (file.starts_with("DICOM/")) {
      sinks_.push_back(std::make_unique<DicomSink>(path, entry, run));
    } else {
      const bool gif = path.extension() == ".gif";
      sinks_.push_back(std::make_unique<VideoSink>(path, gif ? "gif" : "h264", entry));
    }
  }
  const fs::path video = directory / entry.file;
  const bool lossless = video.extension() == ".avi";
  sinks_.push_back(std::make_unique<VideoSink>(video, lossless ? "ffv1" : "h264", entry));
}

void VideoOutputs::add_latents(const at::Tensor& latents) {
  if (!latents_file_.empty()) latents_.push_back(latents / run_.scaling_factor);
}

void VideoOutputs::write(const std::uint8_t* frame) {
  for (const auto& sink : sinks_) sink->write(frame);
}

void VideoOutputs::save_latents() {
  const at::Tensor mean = at::cat(latents_);
  io::Metadata metadata = data::latent_metadata(run_.scaling_factor, run_.encoder_hash);
  metadata["comment"] = tags_of(entry_).at("comment");
  data::save_latents(latents_file_, {mean, at::full_like(mean, kNoSpread)}, metadata);
}

void VideoOutputs::finish() {
  if (!latents_file_.empty()) save_latents();
  for (const auto& sink : sinks_) sink->finish();
}

}  // namespace echopath::generation
