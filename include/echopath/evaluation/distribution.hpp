#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/evaluation/detector_description.hpp"
#include "echopath/evaluation/metric_value.hpp"
#include "echopath/evaluation/protocol.hpp"

namespace echopath::evaluation {

/// What `echopath eval fid|fvd|is|generation` is asked for.
struct DistributionOptions {
  /// Folders of videos (see VideoSet), or files of features (see read_feature_table), whose
  /// metadata `takes` may say that they are of frames or of clips. An inception score needs the
  /// synthetic side alone.
  std::filesystem::path real;
  std::filesystem::path synthetic;
  std::filesystem::path real_features;
  std::filesystem::path synthetic_features;
  std::string real_split;  ///< of a dataset: TRAIN, VAL, TEST; empty for all
  std::string synthetic_split;
  std::vector<std::string> classes;  ///< empty for all
  bool by_class = true;              ///< figures of each class beside those of all

  /// Which figures. Of frames: fid, kid, prdc, is; of clips: fvd, kvd, clip-prdc.
  std::vector<std::string> metrics;
  std::vector<std::string> frame_detectors = {"in-domain"};  ///< see DetectorOptions::what
  std::vector<std::string> clip_detectors = {"in-domain"};
  std::filesystem::path model;  ///< of the in-domain detector

  std::int64_t frames = 16;         ///< of a clip
  std::int64_t every = 1;           ///< one of so many frames, for figures of frames
  double fps = 0.0;                 ///< rate to resample to; 0 leaves videos as they are
  std::string compat = "echopath";  ///< whose protocol, for the record
  MetricProtocol protocol;
  IntervalOptions intervals;

  std::filesystem::path cache;  ///< of features
  std::string device = "cpu";
  std::int64_t batch_size = 64;
};

/// How many items a figure is of, on one side.
struct SideCount {
  std::int64_t items = 0;  ///< frames, clips, or rows
  std::int64_t videos = 0;
  std::int64_t patients = 0;
};

/// One line of the result.
struct DistributionRow {
  std::string class_name;  ///< empty: all
  MetricValue metric;
  std::optional<SideCount> real;  ///< not of an inception score
  SideCount synthetic;
};

/// The figures of one detector: never in one column with another's.
struct DetectorResults {
  DetectorDescription detector;  ///< of features that were given: what their files say
  std::vector<DistributionRow> rows;
  std::vector<SkippedVideo> skipped_real;
  std::vector<SkippedVideo> skipped_synthetic;
};

struct DistributionReport {
  std::vector<DetectorResults> detectors;
  /// Of the two sides together, of keys without effect, of metrics that are left out.
  std::vector<std::string> warnings;
  std::string real_sha256;  ///< of the files of features; empty where videos were measured
  std::string synthetic_sha256;

  config::Json to_json(const DistributionOptions& options) const;
  /// Plain text, one table for each detector; the options are those that were measured with.
  std::string to_text(const DistributionOptions& options) const;
};

/// $XDG_CACHE_HOME/echopath/features, else ~/.cache/echopath/features.
std::filesystem::path default_feature_cache();

/// Throws the UsageError of an option (`--every`) that only videos have, beside files of features.
[[noreturn]] void refuse_with_features(const std::string& option);

/// Measures. With torchrun's or srun's variables set it is called by every process: each computes
/// the features of its share of the videos, and rank 0 measures; the others return nothing. Throws
/// UsageError on options that do not go together, DataError on sets that cannot be compared: empty,
/// a single item, other classes on one side than on the other.
std::optional<DistributionReport> measure_distribution(const DistributionOptions& options);

}  // namespace echopath::evaluation
