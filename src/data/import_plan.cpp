#include "data/import_plan.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::data {
namespace {

constexpr double kFastestFps = 1000.0;
constexpr std::int64_t kSmallestSize = 8;
constexpr std::int64_t kLargestSize = 4096;

void require_one_of(const std::string& option, const std::string& value,
                    const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw UsageError("--" + option + " '" + value + "' is not one of " + join(choices, ", "));
}

void require_range(const std::string& option, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw UsageError("--" + option + " must lie between " + std::to_string(static_cast<long>(low)) +
                   " and " + std::to_string(static_cast<long>(high)));
}

double parse_rate(const std::string& text) {
  double rate = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool valid = error == std::errc() && end == text.data() + text.size();
  if (!valid || !(rate > 0.0 && rate <= kFastestFps)) {
    throw UsageError("--source-fps '" + text +
                     "' is neither frames per second (up to 1000) nor 'assume'");
  }
  return rate;
}

void require_free(const fs::path& out) {
  if (out.empty()) throw UsageError("--out is missing: the dataset directory to make");
  if (!fs::exists(out)) return;
  if (!fs::is_directory(out)) {
    throw UsageError("--out '" + out.string() + "' is a file; give a folder that is not there yet");
  }
  if (fs::is_empty(out)) return;
  const bool dataset = fs::exists(out / "FileList.csv");
  throw UsageError("--out '" + out.string() +
                   (dataset ? "' already holds a dataset" : "' is a folder that is not empty") +
                   "; give a folder that is not there yet");
}

}  // namespace

ImportPlan plan_import(const ImportOptions& options) {
  require_one_of("format", options.format, {"auto", "video", "cardiacnet", "dicom"});
  require_one_of("aspect", options.aspect, {"crop", "letterbox", "squash"});
  require_one_of("intensity", options.intensity, {"clip", "frame", "none"});
  require_one_of("mask", options.mask, {"auto", "sector", "none"});
  require_one_of("interpolation", options.interpolation, {"nearest", "linear"});
  require_range("size", static_cast<double>(options.size), kSmallestSize, kLargestSize);
  require_range("fps", options.fps, 1.0, kFastestFps);
  require_range("min-frames", static_cast<double>(options.min_frames), 1.0, 1e6);
  if (!options.split.empty() && !options.split_file.empty()) {
    throw UsageError("--split and --split-file exclude each other");
  }
  require_free(options.out);
  if (!options.labels_csv.empty()) require_file(options.labels_csv, "labels CSV");
  if (!options.split_file.empty()) require_file(options.split_file, "split file");
  ImportPlan plan;
  plan.options = options;
  plan.assume_rate = options.source_fps == "assume";
  if (!plan.assume_rate && !options.source_fps.empty()) {
    plan.source_fps = parse_rate(options.source_fps);
  }
  plan.keep_list_splits = options.split.empty();
  plan.fractions = parse_split_fractions(options.split.empty() ? "70,15,15" : options.split);
  if (std::error_code unknown; fs::is_directory(options.source, unknown)) {
    require_directory(options.source, "import source");
  } else {
    require_file(options.source, "import source");
  }
  plan.format = options.format == "auto" ? detect_format(options.source) : options.format;
  return plan;
}

ClipOptions clip_options(const ImportPlan& plan, bool prepared) {
  static const std::map<std::string, Aspect> aspects = {
      {"crop", Aspect::kCrop}, {"letterbox", Aspect::kLetterbox}, {"squash", Aspect::kSquash}};
  static const std::map<std::string, Intensity> intensities = {
      {"clip", Intensity::kClip}, {"frame", Intensity::kFrame}, {"none", Intensity::kNone}};
  ClipOptions clip;
  clip.size = plan.options.size;
  clip.aspect = aspects.at(plan.options.aspect);
  clip.intensity = intensities.at(plan.options.intensity);
  clip.mask_sector = plan.options.mask == "sector" || (plan.options.mask == "auto" && !prepared);
  clip.fps = plan.options.fps;
  clip.linear = plan.options.interpolation == "linear";
  return clip;
}

}  // namespace echopath::data
