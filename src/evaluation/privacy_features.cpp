#include "evaluation/privacy_features.hpp"

#include <algorithm>

#include "echopath/core/interrupt.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/data/clips.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kMotionRate = 16.0;       ///< frames a second
constexpr std::size_t kMotionFrames = 16;  ///< one second
constexpr std::size_t kClipDistance = 4;   ///< a quarter of a second
constexpr std::size_t kMotionWindow = 32;  ///< two seconds
/// Of videos whose list states no rate.
constexpr double kAssumedRate = 32.0;

void append(ItemFeatures& features, const data::Study& study) {
  features.items.push_back(study);
}

void append_row(ItemFeatures& features, std::int64_t place) {
  features.item.push_back(static_cast<std::int64_t>(features.items.size()) - 1);
  features.place.push_back(place);
}

}  // namespace

std::vector<std::vector<std::int64_t>> motion_clips(std::int64_t count, double fps) {
  const std::vector<std::int64_t> frames =
      data::resample_indices(count, fps > 0 ? fps : kAssumedRate, kMotionRate);
  std::vector<std::vector<std::int64_t>> clips;
  const std::size_t available = std::min(frames.size(), kMotionWindow);
  for (std::size_t start = 0; start + kMotionFrames <= available; start += kClipDistance) {
    const auto first = frames.begin() + static_cast<std::ptrdiff_t>(start);
    clips.emplace_back(first, first + static_cast<std::ptrdiff_t>(kMotionFrames));
  }
  return clips;
}

at::Tensor motion_features(const at::Tensor& clip) {
  const at::Tensor movement = clip - clip.mean(0, /*keepdim=*/true);
  const bool large = clip.size(2) >= 2 && clip.size(3) >= 2;
  return (large ? at::avg_pool2d(movement, {2, 2}) : movement).flatten();
}

AuditFeatures audit_features(const LatentReader& reader, const std::vector<data::Study>& studies,
                             std::int64_t frames, models::ReIdNet& network, at::Device device,
                             const std::string& what) {
  AuditFeatures features;
  std::vector<at::Tensor> embeddings, movements;
  Progress progress(what, static_cast<std::int64_t>(studies.size()));
  for (const data::Study& study : studies) {
    throw_if_interrupted("stopped; nothing was written");
    std::vector<std::int64_t> numbers;
    std::vector<std::vector<std::int64_t>> clips;
    const at::Tensor latents = reader.load(study, [&](std::int64_t count, double fps) {
      numbers = spread_frames(frames)(count, fps);
      clips = motion_clips(count, fps);
      std::vector<std::int64_t> all = numbers;
      for (const auto& clip : clips) all.insert(all.end(), clip.begin(), clip.end());
      return all;
    });
    append(features.frames, study);
    const auto shown = static_cast<std::int64_t>(numbers.size());
    embeddings.push_back(
        embed_frames(network, models::normalise_per_frame(latents.slice(0, 0, shown)), device));
    for (const std::int64_t number : numbers) append_row(features.frames, number);
    if (clips.empty()) {
      features.short_videos.push_back(study.file_name);
    } else {
      append(features.motion, study);
    }
    for (std::size_t i = 0; i < clips.size(); ++i) {
      const std::int64_t first = shown + static_cast<std::int64_t>(i * kMotionFrames);
      movements.push_back(motion_features(
          latents.slice(0, first, first + static_cast<std::int64_t>(kMotionFrames))));
      append_row(features.motion, clips[i].front());
    }
    progress.update(static_cast<std::int64_t>(features.frames.items.size()), study.stem());
  }
  progress.finish();
  features.frames.rows = at::cat(embeddings);
  if (!movements.empty()) features.motion.rows = at::stack(movements);
  return features;
}

}  // namespace echopath::evaluation
