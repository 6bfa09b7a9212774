#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/evaluation/privacy_statistics.hpp"

namespace echopath::evaluation {

/// What `echopath eval privacy` does.
struct PrivacyAuditOptions {
  std::string real;       ///< dataset or latents directory with splits
  std::string synthetic;  ///< dataset, sample or latents directory
  std::string model;      ///< model directory with reid/; vae/ for videos, lidm/ and lvdm/ for
                          ///< membership inference by denoising loss
  std::string out = "privacy";
  std::string calibration_split = "VAL";  ///< the threshold is taken from it
  std::int64_t frames = 8;                ///< of each video, spread evenly
  bool denoising = true;                  ///< membership inference by denoising loss
  std::int64_t denoising_items = 128;     ///< most videos of each side for it
  std::int64_t noise_levels = 8;
  AuditStatisticsOptions statistics;
  std::string device = "auto";

  void visit(config::Visitor& v);
};

/// Videos of a network's training set and others that are shorter than it needs.
struct ShortVideos {
  std::vector<std::string> members;
  std::vector<std::string> others;
};

struct PrivacyAudit {
  std::int64_t synthetic = 0;
  std::int64_t training_patients = 0;
  std::int64_t held_out_patients = 0;
  LevelAudit frames;                 ///< re-ID embeddings of single frames
  std::optional<LevelAudit> motion;  ///< movement over one second; empty where too few are so long
  /// Left out of the motion level: synthetic, TRAIN and held-out videos.
  std::vector<std::string> short_videos, short_training_videos, short_held_out_videos;
  /// By network (lidm, lvdm): can the videos that it was trained on be told by how well it denoises
  /// them?
  std::map<std::string, MembershipInference> denoising;
  std::map<std::string, ShortVideos> denoising_short_videos;  ///< left out of `denoising`
  std::vector<std::string> warnings;  ///< of what the figures are to be read with

  config::Json to_json() const;
};

/// Looks for training patients in synthetic videos, at the level of single frames and of movement.
/// Training items are the TRAIN videos of `real`; all others are held out, and those of
/// `calibration_split` set the threshold of memorisation, which the rest of them checks.
///
/// Frame level: re-ID embeddings of `frames` frames of each video. Motion level: latents of one
/// second at 16 frames a second, the mean over that time taken off and 2×2 neighbours averaged;
/// clips start every quarter second within the first two. The similarity of two videos is the
/// largest correlation of a frame (clip) of one with one of the other.
///
/// Writes into `out`: privacy.json, privacy_audit.csv (a row for each synthetic video with its
/// nearest training video and where the two are most alike), privacy_histogram.{csv,png} and
/// motion_histogram.{csv,png}. Throws UsageError (`out` holding something else) and DataError: a
/// patient in TRAIN and in another split, sets that are too small (a single synthetic video),
/// latents that are not finite.
PrivacyAudit run_privacy_audit(const PrivacyAuditOptions& options);

}  // namespace echopath::evaluation
