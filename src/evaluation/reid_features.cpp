#include "evaluation/reid_features.hpp"

#include <numeric>

#include "echopath/core/interrupt.hpp"
#include "echopath/core/progress.hpp"

namespace echopath::evaluation {
namespace {

/// The chosen frames of one item [n, C, h, w], stretched over each frame or over the whole video;
/// for `set` as they are. Their numbers go to `numbers`.
at::Tensor looked_at(const LatentReader& reader, const data::Study& study, const ReidView& view,
                     std::vector<std::int64_t>& numbers) {
  const bool whole_video = view.normalisation == "video";
  const auto choose = [&](std::int64_t count, double fps) {
    numbers = spread_frames(view.frames)(count, fps);
    if (!whole_video) return numbers;
    std::vector<std::int64_t> every(static_cast<std::size_t>(count));
    std::iota(every.begin(), every.end(), std::int64_t{0});
    return every;
  };
  const at::Tensor frames = reader.load(study, choose);
  if (whole_video) {
    return models::normalise_jointly(frames).index_select(0, at::tensor(numbers, at::kLong));
  }
  return view.normalisation == "frame" ? models::normalise_per_frame(frames) : frames.clone();
}

}  // namespace

ItemFeatures reid_features(const LatentReader& reader, const std::vector<data::Study>& studies,
                           const ReidView& view, models::ReIdNet& network, at::Device device,
                           const std::string& what) {
  ItemFeatures features;
  features.items = studies;
  std::vector<at::Tensor> frames;
  Progress progress(what, static_cast<std::int64_t>(studies.size()));
  for (std::size_t i = 0; i < studies.size(); ++i) {
    throw_if_interrupted("stopped; nothing was written");
    std::vector<std::int64_t> numbers;
    frames.push_back(looked_at(reader, studies[i], view, numbers));
    features.item.insert(features.item.end(), numbers.size(), static_cast<std::int64_t>(i));
    features.place.insert(features.place.end(), numbers.begin(), numbers.end());
    progress.update(static_cast<std::int64_t>(i) + 1, studies[i].stem());
  }
  progress.finish();
  at::Tensor all = at::cat(frames);
  if (view.normalisation == "set") all = models::normalise_jointly(all);
  features.rows = embed_frames(network, all, device);
  return features;
}

}  // namespace echopath::evaluation
