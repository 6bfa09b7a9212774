#include "evaluation/feature_files.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

/// What a file says of the detector that its features are of, and its own hash.
struct Origin {
  fs::path path;
  std::string detector;
  std::string detector_sha256;
  std::string takes;  ///< frames or clips; empty where it does not say
  std::string sha256;

  bool names_detector() const { return !detector.empty() || !detector_sha256.empty(); }
  std::string file_name() const {
    return one_line(path.filename().string()) + " (SHA-256 " + sha256.substr(0, 12) + ")";
  }
  std::string told() const {
    return quoted_text(detector) +
           (detector_sha256.empty() ? "" : " (SHA-256 " + detector_sha256.substr(0, 12) + ")");
  }
};

Origin origin_of(const fs::path& path) {
  require_file(path, "features");
  const io::SafetensorsFile file(path);
  const auto text = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : one_line(found->second);
  };
  const std::string takes = text("takes");
  if (!takes.empty() && takes != "frames" && takes != "clips") {
    throw DataError("'" + path.string() + "': the metadata takes is " + quoted_text(takes) +
                    "; it must be frames or clips");
  }
  return {path, text("detector"), text("detector_sha256"), takes, sha256_file(path)};
}

/// Hashes decide where both files have one, else names.
bool of_one_detector(const Origin& a, const Origin& b) {
  if (!a.detector_sha256.empty() && !b.detector_sha256.empty()) {
    return a.detector_sha256 == b.detector_sha256;
  }
  return a.detector.empty() || b.detector.empty() || a.detector == b.detector;
}

void compare(const Origin& real, const Origin& synthetic, std::vector<std::string>& warnings) {
  if (!of_one_detector(real, synthetic)) {
    throw DataError("'" + real.path.string() + "' holds features of detector " + real.told() +
                    ", '" + synthetic.path.string() + "' of " + synthetic.told() +
                    "; both sides must come from one detector");
  }
  if (!real.takes.empty() && !synthetic.takes.empty() && real.takes != synthetic.takes) {
    throw DataError("'" + real.path.string() + "' holds features of " + real.takes + ", '" +
                    synthetic.path.string() + "' of " + synthetic.takes +
                    " (metadata takes); both sides must be of one kind");
  }
  if (real.names_detector() != synthetic.names_detector()) {
    const Origin& silent = real.names_detector() ? synthetic : real;
    warnings.push_back("'" + silent.path.string() +
                       "' does not say which detector its features are of (metadata detector, "
                       "detector_sha256): whether both sides are of one cannot be told");
  }
  if (real.sha256 == synthetic.sha256) {
    warnings.push_back(
        "--real-features and --synthetic-features are the same file, byte for byte; the "
        "distances say nothing");
  }
}

}  // namespace

FeatureFiles describe_feature_files(const DistributionOptions& options,
                                    std::vector<std::string>& warnings) {
  const Origin synthetic = origin_of(options.synthetic_features);
  FeatureFiles files;
  files.synthetic_sha256 = synthetic.sha256;
  files.detector.name = synthetic.detector;
  files.detector.hash = synthetic.detector_sha256;
  files.takes = synthetic.takes;
  std::string names = synthetic.file_name();
  if (!options.real_features.empty()) {
    const Origin real = origin_of(options.real_features);
    compare(real, synthetic, warnings);
    files.real_sha256 = real.sha256;
    if (files.detector.name.empty()) files.detector.name = real.detector;
    if (files.detector.hash.empty()) files.detector.hash = real.detector_sha256;
    if (files.takes.empty()) files.takes = real.takes;
    names = real.file_name() + " and " + names;
  }
  files.detector.name += (files.detector.name.empty() ? "" : ", ") + ("features of " + names);
  return files;
}

void refuse_video_options(const DistributionOptions& options) {
  const DistributionOptions plain;
  const std::pair<const char*, bool> given[] = {
      {"--real-split", !options.real_split.empty()},
      {"--synthetic-split", !options.synthetic_split.empty()},
      {"--class", !options.classes.empty()},
      {"--frame-detector", options.frame_detectors != plain.frame_detectors},
      {"--clip-detector", options.clip_detectors != plain.clip_detectors},
      {"--model", !options.model.empty()},
      {"--frames", options.frames != plain.frames},
      {"--every", options.every != plain.every},
      {"--fps", options.fps != plain.fps},
      {"--batch", options.batch_size != plain.batch_size}};
  for (const auto& [name, is_given] : given) {
    if (is_given) refuse_with_features(name);
  }
}

}  // namespace echopath::evaluation
