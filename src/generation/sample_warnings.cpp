#include "generation/sample_warnings.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/heart_cycle.hpp"

namespace echopath::generation {
namespace {

/// What echopath.json says of a component's training under a key; the default where it says
/// nothing.
double trained_with(const models::ModelDirectory& model, const std::string& component,
                    const char* key, double unsaid) {
  const auto record = model.info().trained_on.find(component);
  return record == model.info().trained_on.end() ? unsaid : record->second.value(key, unsaid);
}

/// Guidance by the frame compares with a prediction without one.
void warn_of_untrained_guidance(const SampleOptions& options, const models::ModelDirectory& model) {
  if (options.guidance.frame_scale == 1.0) return;
  if (trained_with(model, "lvdm", "reference_dropout", 0.0) > 0.0) return;
  log_warning("guidance.frame_scale is not 1, but '" + model.path().string() +
              "/echopath.json' does not say that the LVDM was trained with reference_dropout; "
              "without it the network knows no video without a reference");
}

/// An LVDM that is conditioned on the heart's cycle wants a rate for each class, and hearts of the
/// moment at which they move least.
void warn_of_unknown_cycle(const SampleOptions& options, const models::ModelDirectory& model) {
  const std::string path = model.path().string();
  const auto rates = models::HeartRates::learned(model.info(), path);
  if (!rates) return;
  std::vector<std::string> unknown;
  for (const std::string& name : options.classes) {
    if (options.heart_rate <= 0 && !rates->at(name, 0.5)) unknown.push_back(name);
  }
  if (!unknown.empty()) {
    log_warning("'" + path + "/echopath.json' has no heart rates of " + join(unknown, ", ") +
                ", in whose training videos no cycle was found; these videos are not told one. "
                "--heart-rate gives all videos one");
  }
  if (!options.heart.empty() || trained_with(model, "lidm", "heart_phase_window", 0.5) < 0.5)
    return;
  log_warning("the LVDM of '" + path +
              "' takes each heart frame for one of the moment at which hearts move least, but "
              "echopath.json does not say that the LIDM was trained on such frames "
              "(heart_phase_window below 0.5); the first beat may jump");
}

/// What w has above 1 is the LIDM's, but for the share of the LVDM. A w that nobody asked for is
/// not missed.
void warn_of_idle_guidance(const SampleOptions& options, const models::ModelDirectory& model) {
  const bool asked_for =
      options.guidance_scale_given || options.guidance.scale != SampleOptions().guidance.scale;
  if (!asked_for) return;
  if (options.guidance.scale <= 1.0 || options.video_guidance_share > 0.0) return;
  std::string why;
  if (!options.heart.empty()) {
    why = "--heart leaves the LIDM out";
  } else if (!model.lidm_is_conditional()) {
    why = "the LIDM of '" + model.path().string() + "' is not conditioned on the class";
  } else {
    return;
  }
  log_warning("w does nothing: " + why +
              ", and w steers the LVDM only by guidance.video_share, which is 0; --set "
              "guidance.video_share=1 gives it w in full");
}

}  // namespace

void warn_of_the_unlearned(const SampleOptions& options, const models::ModelDirectory& model) {
  warn_of_untrained_guidance(options, model);
  warn_of_unknown_cycle(options, model);
  warn_of_idle_guidance(options, model);
}

void warn_of_idle_options(const SampleOptions& options) {
  if (options.sampler != "stitched") return;
  if (options.batch > 1) {
    log_warning("--batch " + std::to_string(options.batch) +
                " does nothing: the sampler stitched makes one video at a time");
  }
  if (options.anchor != "hard") {
    log_warning("--anchor " + options.anchor +
                " does nothing: the windows of the sampler stitched are given no frames");
  }
}

void warn_of_refused_hearts(const ManifestEntry& entry) {
  const bool judged = entry.privacy_tau && entry.heart.empty();
  if (!judged || entry.filtered) return;
  log_warning(std::filesystem::path(entry.file).stem().string() +
              ": no heart frame passed the privacy gate; the manifest says so");
}

}  // namespace echopath::generation
