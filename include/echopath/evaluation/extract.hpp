#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "echopath/evaluation/detector.hpp"
#include "echopath/evaluation/feature_table.hpp"
#include "echopath/evaluation/jpeg.hpp"
#include "echopath/evaluation/video_set.hpp"

namespace echopath::evaluation {

/// What of the videos is shown to a detector.
struct ExtractOptions {
  Side side = Side::kReal;
  std::string jpeg = "none";     ///< none or published (see frames_to_measure)
  double fps = 0.0;              ///< rate to resample to first; 0 leaves the videos as they are
  std::int64_t frames = 16;      ///< of a clip, one from each video
  std::string clip = "random";   ///< where it starts: random, first or middle
  std::int64_t every = 1;        ///< of the frames for a detector of frames, one of so many
  std::uint64_t seed = 0;        ///< of the random starts
  bool probabilities = false;    ///< class probabilities too
  std::int64_t batch_size = 64;  ///< frames at once
};

/// Which part of the videos this process computes: those whose place is `rank` modulo `processes`.
struct Share {
  int rank = 0;
  int processes = 1;
};

/// Features kept on disk under what they were made from: the bytes of the video, the detector's
/// hash, and every option that changes them. So a changed video gets new ones, whatever its name.
class FeatureCache {
 public:
  /// Keeps them in `directory` (made when needed).
  explicit FeatureCache(std::filesystem::path directory) : directory_(std::move(directory)) {}
  const std::filesystem::path& directory() const { return directory_; }

  /// Computes the features of this process's videos that are not there yet. Videos with too few
  /// frames are passed over. Throws DataError naming the video where one cannot be read or the
  /// detector gives values that are not finite.
  void fill(const VideoSet& set, Detector& detector, const ExtractOptions& options,
            const Share& share = {}) const;
  /// The features of all videos of a set that was filled; `skipped` names those with too few
  /// frames.
  FeatureTable collect(const VideoSet& set, const Detector& detector,
                       const ExtractOptions& options) const;
  /// content_hash(), computed once for each video.
  const std::string& content_of(const VideoItem& video) const;

 private:
  std::filesystem::path path_of(const VideoItem& video, const Detector& detector,
                                const ExtractOptions& options) const;

  std::filesystem::path directory_;
  mutable std::map<std::string, std::string> hashes_;  ///< path of a video → its content_hash()
};

}  // namespace echopath::evaluation
