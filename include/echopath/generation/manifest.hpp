#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/diffusion/guidance_options.hpp"

namespace echopath::generation {

/// Name of the manifest in a sample directory.
inline constexpr const char* kManifest = "manifest.jsonl";

/// One line of a sample directory's manifest: everything that made one video.
struct ManifestEntry {
  std::int64_t index = 0;         ///< place in the run's plan
  std::string file;               ///< relative to the directory: Videos/NAME.mp4
  std::vector<std::string> also;  ///< the same video in other formats, relative to the directory
  std::string class_name;
  std::uint64_t seed = 0;
  double guidance_scale = 0.0;  ///< w: the LIDM's
  /// How the LVDM was guided; its scale is its own. Absent in manifests of earlier versions.
  std::optional<diffusion::GuidanceOptions> video_guidance;
  std::optional<double> heart_rate;  ///< beats per minute that the LVDM was told
  std::string solver;
  std::int64_t steps = 0;
  std::string sampler = "blocks";  ///< blocks or stitched
  std::string anchor;              ///< none for stitched
  std::int64_t blocks = 0;         ///< or windows
  std::int64_t block_length = 0;
  std::int64_t context_frames = 0;  ///< frames that a block repeats; a window's overlap
  std::int64_t seam_fade = 0;       ///< how many of these fade; 0 in manifests of earlier versions
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  double fps = 0.0;
  std::string heart;  ///< SHA-256 of the file that gave the heart frame; empty: drawn
  std::optional<double> privacy_score;  ///< similarity to the nearest training frame
  std::optional<double> privacy_tau;
  std::int64_t redraws = 0;
  bool filtered = false;  ///< false: the heart frame did not pass the privacy gate
  std::map<std::string, std::string> weight_hashes;  ///< part of the model → SHA-256

  config::Json to_json() const;
  /// Throws DataError naming `source`.
  static ManifestEntry from_json(const config::Json& json, const std::string& source);
};

/// The entries of a manifest in the order of its lines. A last line without its line end (a process
/// killed while writing) is left out. Throws DataError (path, line) on any other bad line.
std::vector<ManifestEntry> read_manifest(const std::filesystem::path& path);
/// The same of a text; `source` names it in errors.
std::vector<ManifestEntry> parse_manifest(const std::string& text, const std::string& source);

}  // namespace echopath::generation
