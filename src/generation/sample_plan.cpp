#include "generation/sample_plan.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/text.hpp"
#include "echopath/generation/stitched_sampler.hpp"
#include "echopath/models/heart_cycle.hpp"

namespace echopath::generation {
namespace {

std::string file_stem(const std::string& class_name, std::uint64_t seed) {
  std::string stem;
  for (const char c : class_name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    stem += plain ? c : '_';
  }
  std::string digits = std::to_string(seed);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return stem + "_" + digits;
}

/// The class of each window of the stitched sampler.
std::vector<std::int64_t> window_labels(const SampleOptions& options, std::int64_t index,
                                        const std::vector<std::int64_t>& class_labels) {
  const auto label_of = [&](std::int64_t video) {
    return class_labels[static_cast<std::size_t>(video) % class_labels.size()];
  };
  if (options.compatibility.stitch_labels == "video") {
    return std::vector<std::int64_t>(static_cast<std::size_t>(options.blocks), label_of(index));
  }
  // The batch is taken as full, so that a video does not depend on the number of videos.
  const std::int64_t place = index % options.published_batch;
  std::vector<std::int64_t> batch;
  for (std::int64_t b = 0; b < options.published_batch; ++b) {
    batch.push_back(label_of(index - place + b));
  }
  return published_window_labels(batch, place, options.blocks);
}

/// Throws UsageError where a cycle is asked of an LVDM that is not conditioned on it.
void require_no_cycle(const SampleOptions& options) {
  if (options.heart_rate <= 0 && options.heart_phase <= 0) return;
  throw UsageError(std::string(options.heart_rate > 0 ? "--heart-rate" : "heart_phase") +
                   " is given, but the LVDM of '" + options.model +
                   "' was trained without heart_cycle_conditioning; leave it out");
}

/// Throws UsageError where the seeds of so many videos from the first one on would overflow.
void require_seeds(std::int64_t first, std::int64_t videos) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  const std::int64_t more = videos - 1;
  if (more <= kLargest - first) return;
  throw UsageError("--seed " + std::to_string(first) + " leaves too few seeds for " +
                   std::to_string(videos) + " videos, which count on from it; take 0 to " +
                   std::to_string(kLargest - more));
}

}  // namespace

std::vector<std::string> resolve_classes(const SampleOptions& options,
                                         const models::ModelInfo& info) {
  const auto& known = info.class_names;
  for (const std::string& name : options.classes) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    throw UsageError("class '" + name + "' is unknown to the model" +
                     (nearest.empty() ? "" : " (did you mean " + nearest + "?)") +
                     "; known classes: " + join(known, ", "));
  }
  return options.classes.empty() ? known : options.classes;
}

std::vector<VideoPlan> plan_videos(const SampleOptions& options, const models::ModelInfo& info) {
  std::vector<VideoPlan> plans;
  const auto classes = static_cast<std::int64_t>(options.classes.size());
  const std::int64_t videos = options.count * classes;
  require_seeds(options.seed, videos);
  const auto heart_rates = models::HeartRates::learned(info, options.model);
  if (!heart_rates) require_no_cycle(options);
  std::vector<std::int64_t> labels;
  for (const std::string& name : options.classes) labels.push_back(info.label(name));
  for (std::int64_t index = 0; index < videos; ++index) {
    VideoPlan plan;
    plan.index = index;
    plan.class_name = options.classes[static_cast<std::size_t>(index % classes)];
    plan.label = labels[static_cast<std::size_t>(index % classes)];
    if (options.sampler == "stitched") plan.window_labels = window_labels(options, index, labels);
    plan.seed = static_cast<std::uint64_t>(options.seed + index);
    if (heart_rates) {
      // Keyed by the video's seed alone: the rate depends on neither count nor order.
      const double share = uniform_number({plan.seed, Stream::kClipChoice}, 0);
      const std::optional<double> rate = options.heart_rate > 0
                                             ? std::optional(options.heart_rate)
                                             : heart_rates->at(plan.class_name, share);
      if (rate) plan.cycle = {*rate, options.heart.empty() ? 0.0 : options.heart_phase};
    }
    plan.stem = file_stem(plan.class_name, plan.seed);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace echopath::generation
