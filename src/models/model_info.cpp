#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::models {

namespace {

constexpr std::int64_t kFormatVersion = 1;

/// Reads one key after the other and remembers which, for the error.
class KeyReader {
 public:
  KeyReader(const config::Json& json, const std::string& source) : json_(json), source_(source) {}

  template <class Value>
  void read(const char* key, Value& value) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(key, "is missing");
    try {
      found->get_to(value);
    } catch (const config::Json::exception&) {
      fail(key, "has another type than expected: " + found->dump());
    }
  }

  [[noreturn]] void fail(const std::string& key, const std::string& fault) const {
    throw DataError(source_ + ": key '" + key + "' " + fault);
  }

  void require(bool condition, const char* key, const std::string& fault) const {
    if (!condition) fail(key, fault);
  }

 private:
  const config::Json& json_;
  const std::string& source_;
};

bool all_positive(const std::vector<std::int64_t>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](std::int64_t n) { return n > 0; });
}

}  // namespace

config::Json ModelInfo::to_json() const {
  config::Json components = config::Json::object();
  for (const auto& [name, hash] : hashes) components[name]["sha256"] = hash;
  for (const auto& [name, record] : trained_on) components[name]["trained_on"] = record;
  return {{"format_version", kFormatVersion},
          {"class_names", class_names},
          {"conditioning", conditioning},
          {"null_token", null_token},
          {"latent_scaling_factor", latent_scaling_factor},
          {"latent_shape", latent_shape},
          {"image_size", image_size},
          {"fps", fps},
          {"block_length", block_length},
          {"context_frames", context_frames},
          {"held_frame", held_frame},
          {"noise_correlation", noise_correlation},
          {"components", components}};
}

ModelInfo ModelInfo::from_json(const config::Json& json, const std::string& source) {
  if (!json.is_object()) throw DataError(source + ": expected a JSON object");
  const KeyReader reader(json, source);
  std::int64_t version = 0;
  reader.read("format_version", version);
  reader.require(version == kFormatVersion, "format_version",
                 "is " + std::to_string(version) + "; this program reads version 1");
  ModelInfo info;
  reader.read("class_names", info.class_names);
  reader.read("conditioning", info.conditioning);
  reader.require(info.conditioning == "learned" || info.conditioning == "scalar", "conditioning",
                 "is '" + info.conditioning + "'; learned and scalar are known");
  reader.read("null_token", info.null_token);
  reader.read("latent_scaling_factor", info.latent_scaling_factor);
  reader.require(std::isfinite(info.latent_scaling_factor) && info.latent_scaling_factor > 0.0,
                 "latent_scaling_factor", "must be a positive number");
  reader.read("latent_shape", info.latent_shape);
  reader.require(info.latent_shape.empty() ||
                     (info.latent_shape.size() == 3 && all_positive(info.latent_shape)),
                 "latent_shape", "must be [channels, height, width]");
  reader.read("image_size", info.image_size);
  reader.read("fps", info.fps);
  reader.require(std::isfinite(info.fps) && info.fps > 0.0, "fps", "must be a positive number");
  reader.read("block_length", info.block_length);
  reader.read("context_frames", info.context_frames);
  reader.require(info.block_length > 0, "block_length", "must be positive");
  reader.require(info.context_frames > 0 && info.context_frames < info.block_length,
                 "context_frames", "must be at least 1 and less than block_length");
  if (json.contains("held_frame")) reader.read("held_frame", info.held_frame);
  reader.require(info.held_frame == "last_given" || info.held_frame == "heart_frame", "held_frame",
                 "is '" + info.held_frame + "'; last_given and heart_frame are known");
  if (json.contains("noise_correlation")) {
    reader.read("noise_correlation", info.noise_correlation);
  }
  reader.require(info.noise_correlation >= 0.0 && info.noise_correlation < 1.0, "noise_correlation",
                 "must be at least 0 and less than 1");
  config::Json components;
  reader.read("components", components);
  reader.require(components.is_object(), "components", "must be an object");
  for (const auto& [name, component] : components.items()) {
    const KeyReader part(component, source);
    if (component.contains("sha256")) part.read("sha256", info.hashes[name]);
    if (component.contains("trained_on")) info.trained_on[name] = component["trained_on"];
  }
  return info;
}

std::int64_t ModelInfo::label(const std::string& class_name) const {
  const auto found = std::find(class_names.begin(), class_names.end(), class_name);
  if (found != class_names.end()) return found - class_names.begin();
  const std::string nearest = nearest_name(class_name, class_names);
  throw DataError("the model does not know the class '" + class_name + "'; it knows " +
                  join(class_names, ", ") +
                  (nearest.empty() ? "" : " (did you mean " + nearest + "?)"));
}

}  // namespace echopath::models
