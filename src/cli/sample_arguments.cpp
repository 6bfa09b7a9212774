#include "cli/sample_arguments.hpp"

#include <limits>
#include <utility>

#include "cli/resources.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/diffusion/solver_options.hpp"

namespace echopath::cli {
namespace {

/// The config of a preset: configs/NAME/sample.json.
std::string preset_path(const std::string& name) {
  std::vector<std::string> known;
  constexpr std::string_view kEnding = "/sample.json";
  for (const std::string& config : shipped_configs()) {
    if (!config.ends_with(kEnding)) continue;
    known.push_back(config.substr(0, config.size() - kEnding.size()));
    if (known.back() == name) return find_config(name + "/sample").string();
  }
  const std::string nearest = nearest_name(name, known);
  throw ConfigError("preset '" + name + "' does not exist" +
                    (nearest.empty() ? "" : " (did you mean " + nearest + "?)") +
                    "; presets: " + join(known, ", "));
}

/// Gives options of the command line to keys of the config. Their values obey the ranges of the
/// keys; errors name both.
class OptionValues {
 public:
  explicit OptionValues(config::VisitFunction visit) : visit_(std::move(visit)) {}

  /// `key` is a JSON pointer: /solver/name.
  void give(const std::string& option, const char* key, const config::Json& value) const {
    config::Json json = config::Json::object();
    json[config::Json::json_pointer(key)] = value;
    config::apply(json, visit_, "sample " + option);
  }
  template <class Value>
  void give(const std::string& option, const char* key, const std::optional<Value>& value) const {
    if (value) give(option, key, config::Json(*value));
  }
  void give(const std::string& option, const char* key,
            const std::vector<std::string>& values) const {
    if (!values.empty()) give(option, key, config::Json(values));
  }

 private:
  config::VisitFunction visit_;
};

/// Throws UsageError on a seed that cannot be counted on from.
std::int64_t first_seed(std::uint64_t seed) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  if (seed <= static_cast<std::uint64_t>(kLargest)) return static_cast<std::int64_t>(seed);
  throw UsageError("--seed " + std::to_string(seed) + " is too large for sample; take 0 to " +
                   std::to_string(kLargest));
}

/// What the options give over what a file gave.
void take_all(const SampleArguments& given, generation::SampleOptions& options) {
  const OptionValues values(config::visit_of(options));
  values.give("--classes", "/classes", given.classes);
  values.give("--w", "/guidance_scale", given.guidance_scale);
  values.give("--guidance-rescale", "/guidance/rescale", given.guidance_rescale);
  if (!given.guidance_interval.empty()) {
    const char* option = "--guidance-interval";
    values.give(option, "/guidance/interval_start", config::Json(given.guidance_interval[0]));
    values.give(option, "/guidance/interval_end", config::Json(given.guidance_interval[1]));
  }
  values.give("--sampler", "/sampler", given.sampler);
  values.give("--blocks", "/blocks", given.blocks);
  values.give("--count", "/count", given.count);
  values.give("--ef", "/ejection_fraction", given.ejection_fraction);
  values.give("--heart-rate", "/heart_rate", given.heart_rate);
  values.give("--steps", "/solver/num_inference_steps", given.steps);
  values.give("--solver", "/solver/name", given.solver);
  values.give("--anchor", "/anchor", given.anchor);
  values.give("--context-frames", "/context_frames", given.context_frames);
  values.give("--heart", "/heart", given.heart);
  values.give("--heart-frame", "/heart_frame", given.heart_frame);
  values.give("--codec", "/codec", given.codec);
  values.give("--also", "/also", given.also);
  values.give("--max-redraws", "/max_redraws", given.max_redraws);
  values.give("--batch", "/batch", given.batch);
  values.give("--precision", "/precision", given.precision);
  if (given.allow_unfiltered) options.allow_unfiltered = true;
  if (given.deterministic) options.deterministic = true;
  options.guidance_scale_given = given.guidance_scale.has_value();
}

void add_what(CLI::App& verb, SampleArguments& given) {
  verb.add_option("--class,--classes", given.classes,
                  "classes to sample: --class ASD, or --classes ASD,Non-ASD (default: every class)")
      ->type_name("NAMES")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--count", given.count, "videos of each class (default 1)")->type_name("N");
  verb.add_option("--blocks", given.blocks,
                  "blocks of frames, each continuing the one before (default 4)")
      ->type_name("M");
  verb.add_option("--heart", given.heart,
                  "start from this anatomy, and not from a drawn one: a picture, video or DICOM "
                  "file, or latents (.safetensors)")
      ->type_name("FILE");
  verb.add_option("--heart-frame", given.heart_frame, "which frame of that file (default 0)")
      ->type_name("K");
  verb.add_option("--ef", given.ejection_fraction,
                  "ejection fraction in percent, for a model that is conditioned on it")
      ->type_name("PERCENT");
  verb.add_option("--heart-rate", given.heart_rate,
                  "beats per minute of every video, for a model that is conditioned on them "
                  "(default: drawn for each video from those of its class in training)")
      ->type_name("BPM");
  verb.add_option("--max-redraws", given.max_redraws,
                  "heart frames drawn again before the privacy gate gives up (default 50)")
      ->type_name("N");
  verb.add_flag("--allow-unfiltered", given.allow_unfiltered,
                "go on where no privacy gate is there or no heart frame passes it; the manifest "
                "says so");
}

void add_how(CLI::App& verb, SampleArguments& given) {
  verb.add_option("--preset", given.preset,
                  "balanced (the default's values), fast, reference (the published recipe), or "
                  "another shipped configs/NAME/sample.json, such as paper")
      ->type_name("NAME");
  verb.add_option("--config", given.config, "config file; see `echopath config show sample`")
      ->type_name("FILE");
  verb.add_option("--set", given.overrides, "overrides one key: solver.eta=1")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb.add_option(
          "--w", given.guidance_scale,
          "guidance scale: 0 unconditional, 1 conditional, above 1 stronger (default 5); it "
          "steers the heart frame, and with --set guidance.video_share=1 the motion too")
      ->type_name("W");
  verb.add_option("--guidance-interval", given.guidance_interval,
                  "noise levels from 0 to 1 between which guidance acts: 0.1,0.8 (default 0,1)")
      ->type_name("LOW,HIGH")
      ->delimiter(',')
      ->expected(2)
      ->allow_extra_args(false);
  verb.add_option("--guidance-rescale", given.guidance_rescale,
                  "0 to 1: how far guided predictions get their contrast back (default 0)")
      ->type_name("PHI");
  verb.add_option("--solver", given.solver,
                  "how to walk from noise to data: " + join(diffusion::solver_names(), ", "))
      ->type_name("NAME");
  verb.add_option("--steps", given.steps, "denoising steps (default 16)")->type_name("K");
  verb.add_option(
          "--sampler", given.sampler,
          "blocks (default), or stitched: EchoNet-Synthetic's overlapping windows, --blocks "
          "of them")
      ->type_name("NAME");
  verb.add_option("--anchor", given.anchor,
                  "given frames of a block: hard (pinned, default), soft (drawn towards) or none "
                  "(reference only); stitched windows have none")
      ->type_name("NAME");
  verb.add_option("--context-frames", given.context_frames,
                  "last frames of a block that the next one repeats (default: as many as the LVDM "
                  "was trained to be given)")
      ->type_name("C");
}

void add_where(CLI::App& verb, SampleArguments& given) {
  verb.add_option("--model", given.model, "model directory (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--out", given.out, "sample directory to write")
      ->capture_default_str()
      ->type_name("DIR");
  verb.add_flag("--resume", given.resume, "go on with the run that is in --out");
  verb.add_option("--codec", given.codec, "h264 (MP4, default) or ffv1 (lossless AVI)")
      ->type_name("NAME");
  verb.add_option("--also", given.also,
                  "further formats, each in a folder of its own: gif, png, latents, dicom")
      ->type_name("NAMES")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--trace", given.trace,
                  "safetensors file for the latents of every block, repeated frames included")
      ->type_name("FILE");
  verb.add_option("--batch", given.batch,
                  "videos that share a forward pass; they then agree within rounding (default 1; "
                  "stitched ones share none)")
      ->type_name("N");
  verb.add_option("--precision", given.precision,
                  "what the networks compute in: fp32, bf16, or fp16 on a GPU (default fp32)")
      ->type_name("NAME");
  verb.add_flag("--deterministic", given.deterministic,
                "one video a forward pass, and on GPUs kernels that give the same bits again");
  verb.add_option(
          "--nproc", given.nproc,
          "processes on this machine that share the videos, one per GPU where there are any; "
          "torchrun and srun start them instead")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace

void add_sample_arguments(CLI::App& verb, SampleArguments& arguments) {
  add_what(verb, arguments);
  add_how(verb, arguments);
  add_where(verb, arguments);
  verb.get_option("--seed")->description(
      "seed of the first video; the next ones count on from it (default 0)");
}

generation::SampleOptions resolve(const SampleArguments& given, const CommonOptions& common) {
  generation::SampleOptions options;
  const config::VisitFunction visit = config::visit_of(options);
  options.model.clear();
  std::vector<std::string> files;
  if (!given.preset.empty()) files.push_back(preset_path(given.preset));
  if (!given.config.empty()) files.push_back(find_config(given.config).string());
  for (const std::string& path : files) config::apply(config::read_json(path), visit, path);
  config::apply_overrides(given.overrides, visit);
  take_all(given, options);
  if (common.seed) options.seed = first_seed(*common.seed);
  options.model = model_or_default(given.model.empty() ? options.model : given.model).string();
  options.out = given.out;
  options.resume = given.resume;
  options.trace = given.trace;
  options.device = common.device;
  return options;
}

}  // namespace echopath::cli
