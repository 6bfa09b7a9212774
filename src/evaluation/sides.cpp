#include "evaluation/sides.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::evaluation {
namespace {

VideoSet open_side(const fs::path& folder, const std::string& split,
                   const DistributionOptions& options, std::vector<std::string>& warnings) {
  VideoSetOptions wanted;
  wanted.split = split;
  const VideoSet all = VideoSet::open(folder, wanted);
  if (options.classes.empty()) return all;
  if (all.class_names().empty()) {
    warnings.push_back("'" + folder.string() +
                       "' states no classes; all of its videos are taken for " +
                       join(options.classes, ", "));
    return all;
  }
  wanted.classes = options.classes;
  return VideoSet::open(folder, wanted);
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

void require_equal_classes(const VideoSet& real, const VideoSet& synthetic,
                           std::vector<std::string>& warnings) {
  const auto a = sorted(real.class_names()), b = sorted(synthetic.class_names());
  if (a == b) return;
  if (a.empty() || b.empty()) {
    warnings.push_back("'" + (a.empty() ? real : synthetic).directory().string() +
                       "' states no classes; there are figures of all videos only");
    return;
  }
  throw DataError("the real side has the classes " + one_line(join(a, ", ")) +
                  ", the synthetic one " + one_line(join(b, ", ")) +
                  "; name those to compare by --class");
}

/// The rates that a set's list states, rounded to a hundredth.
std::string rates_of(const VideoSet& set) {
  std::set<long> rates;
  for (const VideoItem& video : set.videos()) {
    if (video.fps > 0.0) rates.insert(std::lround(video.fps * 100));
  }
  std::vector<std::string> texts;
  for (const long rate : rates) {
    std::ostringstream text;
    text << static_cast<double>(rate) / 100;
    texts.push_back(text.str());
  }
  return join(texts, ", ");
}

void warn_of_shared_videos(const Sides& sides, const FeatureCache& cache,
                           std::vector<std::string>& warnings) {
  std::set<std::string> real;
  for (const VideoItem& video : sides.real->videos()) real.insert(cache.content_of(video));
  std::int64_t shared = 0;
  std::string first;
  for (const VideoItem& video : sides.synthetic->videos()) {
    if (!real.contains(cache.content_of(video))) continue;
    if (shared++ == 0) first = video.name;
  }
  if (shared == 0) return;
  warnings.push_back(std::to_string(shared) + " of " + std::to_string(sides.synthetic->size()) +
                     " synthetic videos are byte for byte on the real side too, the first '" +
                     first + "'");
}

}  // namespace

Sides open_sides(const DistributionOptions& options, std::vector<std::string>& warnings) {
  Sides sides;
  if (!options.real.empty()) {
    sides.real = open_side(options.real, options.real_split, options, warnings);
  }
  if (!options.synthetic.empty()) {
    sides.synthetic = open_side(options.synthetic, options.synthetic_split, options, warnings);
  }
  if (sides.real && sides.synthetic) {
    require_equal_classes(*sides.real, *sides.synthetic, warnings);
  }
  return sides;
}

void warn_of_sides(const Sides& sides, const FeatureCache& cache,
                   const DistributionOptions& options, std::vector<std::string>& warnings) {
  if (!sides.real || !sides.synthetic) return;
  std::error_code ignored;
  if (fs::equivalent(options.real, options.synthetic, ignored) &&
      options.real_split == options.synthetic_split) {
    warnings.push_back("--real and --synthetic are the same folder; the distances say nothing");
  } else {
    warn_of_shared_videos(sides, cache, warnings);
  }
  if (sides.real->is_sampled() && !sides.synthetic->is_sampled()) {
    warnings.push_back("'" + options.real.string() +
                       "' is the output of `echopath sample` and stands as --real, '" +
                       options.synthetic.string() +
                       "' is none and stands as --synthetic: are they swapped?");
  }
  const std::string a = rates_of(*sides.real), b = rates_of(*sides.synthetic);
  if (options.fps == 0.0 && !a.empty() && !b.empty() && a != b) {
    warnings.push_back("frame rates differ: real " + a + ", synthetic " + b +
                       " frames per second; --fps brings both to one");
  }
}

void require_several(const FeatureTable& table, const std::string& side, const std::string& what) {
  if (table.rows() >= 2) return;
  std::string message = "the " + side + " side has " +
                        (table.rows() == 0 ? "no " + what : "a single " + what) +
                        "; two or more are needed";
  if (!table.skipped.empty()) {
    message += "; left out: " + std::to_string(table.skipped.size()) + " videos, the first '" +
               table.skipped.front().name + "', which " + table.skipped.front().reason;
  }
  throw DataError(message);
}

}  // namespace echopath::evaluation
