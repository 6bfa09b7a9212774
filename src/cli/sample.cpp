#include "echopath/generation/sample.hpp"

#include <iostream>
#include <optional>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

/// What the command line gives; an absent value leaves that of the preset or the config.
struct Options {
  std::string preset;
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::string> classes;
  std::optional<double> guidance_scale;
  std::optional<std::string> sampler;
  std::optional<std::int64_t> blocks;
  std::optional<std::int64_t> count;
  std::optional<std::int64_t> ejection_fraction;
  std::optional<std::int64_t> steps;
  std::optional<std::string> solver;
  std::optional<std::string> anchor;
  std::optional<std::string> codec;
  std::optional<std::int64_t> max_redraws;
  std::string model;
  std::string out = "samples";
  std::string trace;
  bool resume = false;
  bool allow_unfiltered = false;
};

generation::SampleOptions resolve(const Options& given, const CommonOptions& common) {
  generation::SampleOptions options;
  const config::VisitFunction visit = config::visit_of(options);
  options.model.clear();
  for (const std::string& name :
       {given.preset.empty() ? "" : given.preset + "/sample", given.config}) {
    if (name.empty()) continue;
    const std::string path = find_config(name).string();
    config::apply(config::read_json(path), visit, path);
  }
  config::apply_overrides(given.overrides, visit);
  if (!given.classes.empty()) options.classes = given.classes;
  if (given.guidance_scale) options.guidance.scale = *given.guidance_scale;
  if (given.sampler) options.sampler = *given.sampler;
  if (given.blocks) options.blocks = *given.blocks;
  if (given.count) options.count = *given.count;
  if (given.ejection_fraction) options.ejection_fraction = *given.ejection_fraction;
  if (given.steps) options.solver.num_inference_steps = *given.steps;
  if (given.solver) options.solver.name = *given.solver;
  if (given.anchor) options.anchor = *given.anchor;
  if (given.codec) options.codec = *given.codec;
  if (given.max_redraws) options.max_redraws = *given.max_redraws;
  if (common.seed) options.seed = static_cast<std::int64_t>(*common.seed);
  if (given.allow_unfiltered) options.allow_unfiltered = true;
  // Values given as options obey the same ranges as those of a file.
  config::apply(config::dump(visit), visit, "sample");
  options.model = model_or_default(given.model.empty() ? options.model : given.model).string();
  options.out = given.out;
  options.resume = given.resume;
  options.trace = given.trace;
  options.device = common.device;
  return options;
}

config::Json to_json(const generation::SampleSummary& done) {
  config::Json videos = config::Json::array();
  for (const auto& path : done.videos) videos.push_back(path.string());
  return {{"directory", done.directory.string()},
          {"videos", videos},
          {"contact_sheet", done.contact_sheet.string()},
          {"index", done.index.string()},
          {"made", done.made},
          {"skipped", done.skipped},
          {"redraws", done.redraws},
          {"unfiltered", done.unfiltered}};
}

void sample(const Options& given, const CommonOptions& common) {
  const generation::SampleSummary done = generation::run_sampling(resolve(given, common));
  if (common.json) {
    print_json(to_json(done));
    return;
  }
  for (const auto& path : done.videos) std::cout << "video          " << path.string() << '\n';
  std::cout << "contact sheet  " << done.contact_sheet.string() << '\n';
  std::cout << "page           " << done.index.string() << '\n';
  std::cout << "made " << done.made << ", there already " << done.skipped
            << ", heart frames refused " << done.redraws << ", unfiltered " << done.unfiltered
            << '\n';
}

void add_what(CLI::App& verb, Options& options) {
  verb.add_option("--class", options.classes, "class to sample, repeatable (default: every class)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  verb.add_option("--ef", options.ejection_fraction,
                  "ejection fraction in percent, for a model that is conditioned on it")
      ->type_name("PERCENT");
  verb.add_option("--w", options.guidance_scale,
                  "guidance scale: 0 unconditional, 1 conditional, above 1 stronger (default 5)")
      ->type_name("W");
  verb.add_option(
          "--sampler", options.sampler,
          "blocks (default), or stitched: EchoNet-Synthetic's overlapping windows, --blocks "
          "of them")
      ->type_name("NAME");
  verb.add_option("--blocks", options.blocks,
                  "blocks of frames, each continuing the one before (default 4)")
      ->type_name("M");
  verb.add_option("--count", options.count, "videos of each class (default 1)")->type_name("N");
  verb.add_option("--steps", options.steps, "denoising steps")->type_name("K");
  verb.add_option("--solver", options.solver,
                  "how to walk from noise to data: " + join(diffusion::solver_names(), ", "))
      ->type_name("NAME");
  verb.add_option("--anchor", options.anchor,
                  "given frames of a block: hard (pinned, default), soft (drawn towards) or none "
                  "(reference only)")
      ->type_name("NAME");
  verb.add_option("--preset", options.preset, "a shipped configs/NAME/sample.json, such as paper")
      ->type_name("NAME");
  verb.add_option("--config", options.config, "config file; see `echopath config show sample`")
      ->type_name("FILE");
  verb.add_option("--set", options.overrides, "overrides one key: solver.eta=1")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb.add_option("--max-redraws", options.max_redraws,
                  "heart frames drawn again before the privacy gate gives up (default 50)")
      ->type_name("N");
  verb.add_flag("--allow-unfiltered", options.allow_unfiltered,
                "go on where no privacy gate is there or no heart frame passes it; the manifest "
                "says so");
}

void add_where(CLI::App& verb, Options& options) {
  verb.add_option("--model", options.model, "model directory (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--out", options.out, "sample directory to write")
      ->capture_default_str()
      ->type_name("DIR");
  verb.add_option("--codec", options.codec, "h264 (MP4, default) or ffv1 (lossless AVI)")
      ->type_name("NAME");
  verb.add_flag("--resume", options.resume, "go on with the run that is in --out");
  verb.add_option("--trace", options.trace, "safetensors file for the latents of every block")
      ->type_name("FILE");
}

}  // namespace

void add_sample(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App& verb = program.add_verb(
      "sample", "Makes videos of a class: heart frame, privacy gate, video blocks, decoding",
      "echopath sample --class ASD --w 5 --blocks 4 --out samples/asd",
      [options](const CommonOptions& common) { sample(*options, common); });
  add_what(verb, *options);
  add_where(verb, *options);
}

}  // namespace echopath::cli
