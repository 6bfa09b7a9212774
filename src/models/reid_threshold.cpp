#include "echopath/models/reid_threshold.hpp"

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::models {

config::Json ReIdThreshold::to_json() const {
  return {{"tau", tau},
          {"percentile", percentile},
          {"calibration", calibration},
          {"normalisation", normalisation},
          {"training_frames", training_frames},
          {"weights_hash", weights_hash},
          {"embeddings_hash", embeddings_hash}};
}

ReIdThreshold ReIdThreshold::from_json(const config::Json& json, const std::string& source) {
  ReIdThreshold threshold;
  std::string key = "tau";
  try {
    const auto read = [&](const char* name, auto& value) {
      key = name;
      json.at(name).get_to(value);
    };
    read("tau", threshold.tau);
    read("percentile", threshold.percentile);
    read("calibration", threshold.calibration);
    read("normalisation", threshold.normalisation);
    read("training_frames", threshold.training_frames);
    read("weights_hash", threshold.weights_hash);
    read("embeddings_hash", threshold.embeddings_hash);
  } catch (const config::Json::exception&) {
    throw DataError(
        source + ": key '" + key +
        "' is missing or of another type; write the file anew with `echopath train reid`");
  }
  if (!std::isfinite(threshold.tau)) throw DataError(source + ": tau must be a finite number");
  if (threshold.normalisation != "frame" && threshold.normalisation != "video") {
    throw DataError(source + ": normalisation '" + threshold.normalisation +
                    "' is unknown; frame and video are known");
  }
  return threshold;
}

ReIdThreshold read_reid_threshold(const std::filesystem::path& path) {
  require_file(path, "re-ID threshold");
  try {
    return ReIdThreshold::from_json(config::read_json(path.string()), path.string());
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

void write_reid_threshold(const std::filesystem::path& path, const ReIdThreshold& threshold) {
  write_file(path, threshold.to_json().dump(2) + "\n");
}

}  // namespace echopath::models
