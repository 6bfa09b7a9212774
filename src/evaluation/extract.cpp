#include "echopath/evaluation/extract.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/clips.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

/// Changes when features of the same video and detector change for another reason.
constexpr const char* kFormat = "1";

std::int64_t clip_start(std::int64_t count, const std::string& content,
                        const ExtractOptions& options) {
  if (options.clip == "first") return 0;
  const std::int64_t last = count - options.frames;
  if (options.clip == "middle") return last / 2;
  // By the content: two names of one video have one clip, and order and number do not matter.
  const NoiseKey key{options.seed, Stream::kClipChoice,
                     static_cast<std::uint32_t>(std::stoul(content.substr(0, 8), nullptr, 16)),
                     static_cast<std::uint32_t>(std::stoul(content.substr(8, 8), nullptr, 16))};
  return uniform_integer(key, last + 1);
}

/// What the detector is to see; no frames where the video is too short.
io::Frames chosen_frames(io::Frames frames, const VideoItem& video, const std::string& content,
                         const DetectorDescription& detector, const ExtractOptions& options) {
  if (options.fps > 0.0 && frames.count > 1) {
    if (frames.fps <= 0.0) {
      throw DataError("'" + video.path.string() +
                      "' states no frame rate, so that it cannot be resampled; leave --fps out");
    }
    frames = select(frames, data::resample_indices(frames.count, frames.fps, options.fps));
  }
  if (detector.takes_clips) {
    if (frames.count < options.frames) return slice(frames, 0, 0);
    return slice(frames, clip_start(frames.count, content, options), options.frames);
  }
  std::vector<std::int64_t> places;
  for (std::int64_t t = 0; t < frames.count; t += options.every) places.push_back(t);
  return options.every == 1 ? frames : select(frames, places);
}

/// [T, H, W, C] bytes of frames as a detector takes them: one clip [1, T, C, H, W], or every frame
/// a clip of its own, [T, 1, C, H, W].
at::Tensor as_clips(io::Frames& frames, bool takes_clips) {
  const at::Tensor pixels =
      at::from_blob(frames.pixels.data(),
                    {frames.count, frames.height, frames.width, frames.channels}, at::kByte)
          .permute({0, 3, 1, 2});
  return takes_clips ? pixels.unsqueeze(0) : pixels.unsqueeze(1);
}

void require_finite(const DetectorOutput& output, const ExtractOptions& options,
                    const DetectorDescription& detector, const VideoItem& video) {
  const bool features = output.features.isfinite().all().item<bool>();
  // The logarithm of a probability of 0 is −∞.
  const bool probabilities =
      !options.probabilities || output.log_probabilities.exp().isfinite().all().item<bool>();
  if (features && probabilities) return;
  throw DataError("'" + video.path.string() + "': detector '" + detector.name + "' gives " +
                  (features ? "class probabilities" : "features") +
                  " that are not finite; look at the video, or take another detector");
}

/// Videos on their way through a detector into their files. Single pictures go through together,
/// for a network's time for one is not much less than for many; longer videos alone, so that their
/// features are the same to the bit whatever else there is.
class FeatureWriter {
 public:
  FeatureWriter(Detector& detector, const ExtractOptions& options)
      : detector_(detector), options_(options) {}

  /// Frames as the detector is to see them, of a video that has `whole` of them; no frames where it
  /// is too short.
  void add(const VideoItem& video, fs::path path, io::Frames frames, std::int64_t whole) {
    const DetectorDescription& what = detector_.description();
    if (frames.count == 0) {
      DetectorOutput none{at::zeros({0, what.width}), at::zeros({0, what.classes})};
      save({&video, std::move(path), {}, whole}, none);
      return;
    }
    at::Tensor clips = as_clips(frames, what.takes_clips).clone();
    const bool picture = frames.count == 1;
    if (!waiting_.empty() && (!picture || waiting_.front().clips.sizes() != clips.sizes())) flush();
    waiting_.push_back({&video, std::move(path), std::move(clips), whole});
    if (!picture || static_cast<std::int64_t>(waiting_.size()) >= options_.batch_size) flush();
  }

  /// Computes and writes what waits.
  void flush() {
    if (waiting_.empty()) return;
    std::vector<at::Tensor> clips;
    for (const Waiting& item : waiting_) clips.push_back(item.clips);
    const DetectorOutput output = compute(at::cat(clips));
    std::int64_t begin = 0;
    for (const Waiting& item : waiting_) {
      const std::int64_t end = begin + item.clips.size(0);
      save(item,
           {output.features.slice(0, begin, end),
            options_.probabilities ? output.log_probabilities.slice(0, begin, end) : at::Tensor()});
      begin = end;
    }
    waiting_.clear();
  }

 private:
  struct Waiting {
    const VideoItem* video;
    fs::path path;
    at::Tensor clips;  ///< [N, T, C, H, W] bytes
    std::int64_t whole;
  };

  DetectorOutput compute(const at::Tensor& clips) {
    std::vector<at::Tensor> features, logs;
    for (std::int64_t begin = 0; begin < clips.size(0); begin += options_.batch_size) {
      DetectorOutput output;
      try {
        output = detector_.run(clips.slice(0, begin, begin + options_.batch_size),
                               options_.probabilities);
      } catch (const DataError& error) {
        // The videos that wait are alike in all that a detector can refuse.
        throw DataError("'" + waiting_.front().video->path.string() + "': " + error.what());
      }
      features.push_back(output.features);
      if (options_.probabilities) logs.push_back(output.log_probabilities);
    }
    return {at::cat(features), logs.empty() ? at::Tensor() : at::cat(logs)};
  }

  void save(const Waiting& item, const DetectorOutput& output) {
    const DetectorDescription& what = detector_.description();
    require_finite(output, options_, what, *item.video);
    io::TensorMap made = {{"features", output.features}};
    if (options_.probabilities) made.emplace("log_probabilities", output.log_probabilities);
    io::save_safetensors(item.path, made,
                         {{"detector", what.name},
                          {"detector_sha256", what.hash},
                          {"frames", std::to_string(item.whole)}},
                         Durability::kUnsynced);
  }

  Detector& detector_;
  const ExtractOptions& options_;
  std::vector<Waiting> waiting_;
};

/// Whether the file is there and whole.
bool is_made(const fs::path& path, const ExtractOptions& options) {
  if (!fs::is_regular_file(path)) return false;
  try {
    const io::SafetensorsFile file(path);
    return file.contains("features") &&
           (!options.probabilities || file.contains("log_probabilities"));
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

const std::string& FeatureCache::content_of(const VideoItem& video) const {
  const auto [place, is_new] = hashes_.try_emplace(video.path.string());
  if (is_new) place->second = content_hash(video);
  return place->second;
}

fs::path FeatureCache::path_of(const VideoItem& video, const Detector& detector,
                               const ExtractOptions& options) const {
  const DetectorDescription& what = detector.description();
  std::string text = std::string(kFormat) + "\n" + content_of(video) + "\n" + what.hash + "\n" +
                     what.preprocessing + "\n" + std::to_string(what.channels) + " " +
                     std::to_string(options.fps) + " " + std::to_string(video.fps) + "\n";
  if (options.jpeg != "none")
    text += options.side == Side::kReal ? "jpeg real\n" : "jpeg synthetic\n";
  text += what.takes_clips
              ? "clip of " + std::to_string(options.frames) + " " + options.clip + " " +
                    (options.clip == "random" ? std::to_string(options.seed) : "")
              : "every " + std::to_string(options.every);
  if (options.probabilities) text += "\nprobabilities";
  const std::string key = sha256_hex(text);
  return directory_ / key.substr(0, 2) / (key.substr(2, 38) + ".safetensors");
}

void FeatureCache::fill(const VideoSet& set, Detector& detector, const ExtractOptions& options,
                        const Share& share) const {
  const DetectorDescription& what = detector.description();
  std::vector<VideoItem> missing;
  std::vector<fs::path> paths;
  for (std::size_t i = 0; i < set.videos().size(); ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(share.processes)) != share.rank) continue;
    const fs::path path = path_of(set.videos()[i], detector, options);
    if (is_made(path, options)) continue;
    missing.push_back(set.videos()[i]);
    paths.push_back(path);
  }
  if (missing.empty()) return;
  models::Compatibility jpeg;
  jpeg.jpeg = options.jpeg;
  Progress progress(what.name, static_cast<std::int64_t>(missing.size()));
  FeatureWriter writer(detector, options);
  for_each_video(missing, static_cast<int>(what.channels),
                 [&](std::size_t i, const io::Frames& frames) {
                   io::Frames chosen =
                       chosen_frames(frames, missing[i], content_of(missing[i]), what, options);
                   if (chosen.count > 0) chosen = frames_to_measure(chosen, options.side, jpeg);
                   writer.add(missing[i], paths[i], std::move(chosen), frames.count);
                   progress.update(static_cast<std::int64_t>(i) + 1);
                 });
  writer.flush();
  progress.finish();
}

FeatureTable FeatureCache::collect(const VideoSet& set, const Detector& detector,
                                   const ExtractOptions& options) const {
  FeatureTable table;
  std::vector<fs::path> paths;
  std::int64_t total = 0;
  for (const VideoItem& video : set.videos()) {
    const fs::path path = path_of(video, detector, options);
    const io::SafetensorsFile file(path);
    const std::int64_t rows = file.shape("features").at(0);
    if (rows == 0) {
      table.skipped.push_back({video.name, "has " + file.metadata().at("frames") +
                                               " frames, fewer than the " +
                                               std::to_string(options.frames) + " of a clip"});
      continue;
    }
    table.videos.push_back({video.name, video.class_name, video.patient, total, total + rows});
    total += rows;
    paths.push_back(path);
  }
  const DetectorDescription& what = detector.description();
  table.features = spooled({total, what.width});
  if (options.probabilities) table.log_probabilities = spooled({total, what.classes});
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const io::SafetensorsFile file(paths[i]);
    const VideoRows& video = table.videos[i];
    table.features.slice(0, video.begin, video.end).copy_(file.tensor("features"));
    if (options.probabilities) {
      table.log_probabilities.slice(0, video.begin, video.end)
          .copy_(file.tensor("log_probabilities"));
    }
  }
  return table;
}

}  // namespace echopath::evaluation
