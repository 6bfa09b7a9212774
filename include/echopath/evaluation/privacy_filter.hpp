#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/compatibility.hpp"

namespace echopath::evaluation {

/// What `echopath filter` does: keeps the synthetic items (heart frames or videos) whose largest
/// re-ID similarity to a training frame is strictly below τ.
struct FilterOptions {
  std::string real;       ///< dataset or latents directory with splits
  std::string synthetic;  ///< latents (heart frames), dataset or sample directory
  std::string model;      ///< model directory with reid/ and, for videos, vae/
  std::string out = "filtered";
  /// Where τ is from: model (reid/threshold.json), real (computed from the held-out split), or
  /// auto: the model's where it holds for these frames, else computed.
  std::string threshold = "auto";
  std::optional<double> tau;     ///< given; goes before `threshold`
  double percentile = 95.0;      ///< of the held-out similarities
  std::int64_t frames = 8;       ///< of each synthetic item that are judged, spread evenly
  std::int64_t real_frames = 8;  ///< of each real video that they are compared with
  bool copy = false;             ///< copy the kept files to `out` too
  models::Compatibility compatibility;
  std::string device = "auto";

  void visit(config::Visitor& v);
  /// Sets every switch to what EchoNet-Synthetic and EchoPath publish: first frames, τ over
  /// training frames against TEST, real latents stretched video by video, synthetic ones over the
  /// set.
  void follow_published_code();
};

struct FilterSummary {
  std::int64_t judged = 0;
  std::int64_t kept = 0;
  double tau = 0.0;
  std::string tau_source;  ///< given, model or real
  /// What τ is a percentile over (a given one: is compared with): held-out frames, held-out videos,
  /// or, as published, training frames.
  std::string tau_over;
  std::int64_t compared = 0;   ///< how many of these --real has; 0: it holds nothing back
  double compared_rate = 0.0;  ///< share of them at or over τ
  std::int64_t training_frames = 0;
  std::vector<std::string> warnings;  ///< of what the verdicts are to be read with

  config::Json to_json() const;
};

/// Judges every synthetic item by its largest Pearson similarity (over its judged frames) of re-ID
/// embeddings to the frames of the TRAIN videos of `real`. Writes into `out`: privacy_scores.csv,
/// kept.csv (the kept rows of the list), privacy_histogram.{csv,png}, filter.json, and with `copy`
/// the kept files with a FileList.csv. Of a sample directory it copies the kept lines of
/// manifest.jsonl and their videos too, where latents were judged as well, and config.json with the
/// key `filtered_from`, so that `echopath sample --resume` does not take the copy for its run.
/// filter_files.csv lists all of these: what an earlier run wrote into `out`, finished or not, is
/// removed first, and nothing else. A run that is finished has a filter.json.
/// Frame by frame both sides are stretched to [−1, 1] on their own, so that adding a file changes
/// no verdict.
/// τ for items of one frame is a percentile over held-out frames of their largest similarity to the
/// training frames, as in reid/threshold.json. An item of several judged frames has more chances to
/// come near, so there τ is the percentile over held-out videos judged in the same way: in both
/// cases a hold-out exceeds τ about as often as the percentile says.
/// Throws UsageError (`out` holding something else, or being one of the compared folders),
/// DataError (no TRAIN or held-out videos, a patient in TRAIN and in another split, a model
/// threshold that does not hold for these frames though it was asked for, latents that are not
/// finite).
FilterSummary run_filter(const FilterOptions& options);

}  // namespace echopath::evaluation
