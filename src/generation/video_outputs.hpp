#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "echopath/generation/manifest.hpp"

namespace echopath::generation {

/// What the files of a run have in common.
struct RunIdentity {
  std::string key;  ///< hash of what decides, with its class and seed, what a video shows
  double scaling_factor = 1.0;
  std::string encoder_hash;
};

/// Container tags: players show the title, programs read the comment, JSON with class, seed, the
/// guidance of both networks and the hash of the model. Files that know no tags carry the comment.
std::map<std::string, std::string> tags_of(const ManifestEntry& entry);

/// Somewhere that the frames of one video go, one by one. Nothing is there under its final name
/// before finish().
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  /// One grey frame, [H, W] bytes.
  virtual void write(const std::uint8_t* frame) = 0;
  virtual void finish() = 0;
};

/// Every file of one video: `entry.file` and those of `entry.also`, whose names say what they are.
/// Frames are written as they come.
class VideoOutputs {
 public:
  VideoOutputs(const std::filesystem::path& directory, const ManifestEntry& entry,
               const RunIdentity& run);

  /// Scaled latents [T, C, h, w] of the next frames; kept only where they are asked for.
  void add_latents(const at::Tensor& latents);
  void write(const std::uint8_t* frame);
  /// The video itself comes last, so that where it is, everything is.
  void finish();

 private:
  void save_latents();

  ManifestEntry entry_;
  RunIdentity run_;
  std::vector<std::unique_ptr<FrameSink>> sinks_;
  std::filesystem::path latents_file_;  ///< empty: not asked for
  std::vector<at::Tensor> latents_;
};

}  // namespace echopath::generation
