#include "echopath/generation/manifest.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::generation {
namespace {

template <class Value>
config::Json or_null(const std::optional<Value>& value) {
  return value ? config::Json(*value) : config::Json(nullptr);
}

std::optional<double> optional_number(const config::Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<double>();
}

config::Json guidance_to_json(const std::optional<diffusion::GuidanceOptions>& guidance) {
  if (!guidance) return nullptr;
  return {{"scale", guidance->scale},
          {"frame_scale", guidance->frame_scale},
          {"rescale", guidance->rescale},
          {"interval", {guidance->interval_start, guidance->interval_end}}};
}

diffusion::GuidanceOptions guidance_from_json(const config::Json& json) {
  diffusion::GuidanceOptions guidance;
  json.at("scale").get_to(guidance.scale);
  json.at("frame_scale").get_to(guidance.frame_scale);
  json.at("rescale").get_to(guidance.rescale);
  json.at("interval").at(0).get_to(guidance.interval_start);
  json.at("interval").at(1).get_to(guidance.interval_end);
  return guidance;
}

}  // namespace

config::Json ManifestEntry::to_json() const {
  return {{"index", index},
          {"file", file},
          {"also", also},
          {"class", class_name},
          {"seed", seed},
          {"guidance_scale", guidance_scale},
          {"video_guidance", guidance_to_json(video_guidance)},
          {"heart_rate", or_null(heart_rate)},
          {"solver", solver},
          {"steps", steps},
          {"sampler", sampler},
          {"anchor", anchor},
          {"blocks", blocks},
          {"block_length", block_length},
          {"context_frames", context_frames},
          {"seam_fade", seam_fade},
          {"frames", frames},
          {"height", height},
          {"width", width},
          {"fps", fps},
          {"heart", heart.empty() ? config::Json(nullptr) : config::Json(heart)},
          {"privacy",
           {{"score", or_null(privacy_score)},
            {"tau", or_null(privacy_tau)},
            {"redraws", redraws},
            {"filtered", filtered}}},
          {"weight_hashes", weight_hashes}};
}

ManifestEntry ManifestEntry::from_json(const config::Json& json, const std::string& source) {
  ManifestEntry entry;
  try {
    json.at("index").get_to(entry.index);
    json.at("file").get_to(entry.file);
    if (json.contains("also")) json.at("also").get_to(entry.also);
    json.at("class").get_to(entry.class_name);
    json.at("seed").get_to(entry.seed);
    json.at("guidance_scale").get_to(entry.guidance_scale);
    if (json.contains("video_guidance") && !json.at("video_guidance").is_null()) {
      entry.video_guidance = guidance_from_json(json.at("video_guidance"));
    }
    if (json.contains("heart_rate")) entry.heart_rate = optional_number(json.at("heart_rate"));
    json.at("solver").get_to(entry.solver);
    json.at("steps").get_to(entry.steps);
    json.at("sampler").get_to(entry.sampler);
    json.at("anchor").get_to(entry.anchor);
    json.at("blocks").get_to(entry.blocks);
    json.at("block_length").get_to(entry.block_length);
    json.at("context_frames").get_to(entry.context_frames);
    if (json.contains("seam_fade")) json.at("seam_fade").get_to(entry.seam_fade);
    json.at("frames").get_to(entry.frames);
    json.at("height").get_to(entry.height);
    json.at("width").get_to(entry.width);
    json.at("fps").get_to(entry.fps);
    if (json.contains("heart") && !json.at("heart").is_null()) {
      json.at("heart").get_to(entry.heart);
    }
    const config::Json& privacy = json.at("privacy");
    entry.privacy_score = optional_number(privacy.at("score"));
    entry.privacy_tau = optional_number(privacy.at("tau"));
    privacy.at("redraws").get_to(entry.redraws);
    privacy.at("filtered").get_to(entry.filtered);
    json.at("weight_hashes").get_to(entry.weight_hashes);
  } catch (const config::Json::exception& error) {
    throw DataError(source + ": not a line of a sample manifest (" + error.what() + ")");
  }
  return entry;
}

std::vector<ManifestEntry> read_manifest(const std::filesystem::path& path) {
  require_file(path, "manifest");
  return parse_manifest(read_file(path), path.string());
}

std::vector<ManifestEntry> parse_manifest(const std::string& text, const std::string& source) {
  std::vector<ManifestEntry> entries;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const std::string place = source + ":" + std::to_string(entries.size() + 1);
    const config::Json json =
        config::Json::parse(text.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    entries.push_back(ManifestEntry::from_json(json, place));
    begin = end + 1;
  }
  return entries;
}

}  // namespace echopath::generation
