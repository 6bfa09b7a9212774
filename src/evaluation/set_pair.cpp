#include "evaluation/set_pair.hpp"

#include <algorithm>
#include <map>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {

std::vector<VideoItem> first_of_each_class(const std::vector<VideoItem>& videos,
                                           std::int64_t limit) {
  if (limit == 0) return videos;
  std::vector<VideoItem> chosen;
  std::map<std::string, std::int64_t> taken;
  for (const VideoItem& video : videos) {
    if (taken[video.class_name]++ < limit) chosen.push_back(video);
  }
  return chosen;
}

SetPair open_pair(const SetPairOptions& options) {
  if (options.limit < 0) throw UsageError("the number of videos of each class must not be below 0");
  SetPair pair;
  const auto add = [&](const std::string& directory, const std::string& split) {
    const VideoSet set = VideoSet::open(directory, {split, options.classes, true});
    for (const std::string& name : set.class_names()) {
      const bool known =
          std::find(pair.classes.begin(), pair.classes.end(), name) != pair.classes.end();
      if (!known) pair.classes.push_back(name);
    }
    return first_of_each_class(set.videos(), options.limit);
  };
  pair.real = add(options.real, options.split);
  if (!options.synthetic.empty()) pair.synthetic = add(options.synthetic, "");
  // Videos without a class are one class of their own.
  const auto nameless = [](const VideoItem& video) { return video.class_name.empty(); };
  if (std::any_of(pair.real.begin(), pair.real.end(), nameless) ||
      std::any_of(pair.synthetic.begin(), pair.synthetic.end(), nameless)) {
    pair.classes.emplace_back();
  }
  return pair;
}

}  // namespace echopath::evaluation
