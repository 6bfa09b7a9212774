#include <iostream>
#include <optional>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/evaluation/privacy_filter.hpp"

namespace echopath::cli {
namespace {

struct Options {
  evaluation::FilterOptions filter;
  std::string compat;
  // Of what --compat sets, the options that were given: they go before it.
  std::optional<std::string> threshold;
  std::optional<std::int64_t> frames;
  std::optional<std::int64_t> real_frames;
  std::vector<std::string> overrides;
};

void filter(Options options, const CommonOptions& common) {
  evaluation::FilterOptions& chosen = options.filter;
  const config::VisitFunction visit = config::visit_of(chosen);
  if (options.compat == "echonet-synthetic") {
    chosen.follow_published_code();
  } else if (!options.compat.empty()) {
    throw UsageError("--compat '" + options.compat + "' is unknown; echonet-synthetic is known");
  }
  chosen.threshold = options.threshold.value_or(chosen.threshold);
  chosen.frames = options.frames.value_or(chosen.frames);
  chosen.real_frames = options.real_frames.value_or(chosen.real_frames);
  config::apply_overrides(options.overrides, visit);
  config::apply(config::dump(visit), visit, "filter");
  chosen.model = model_or_default(chosen.model).string();
  chosen.device = common.device;
  const evaluation::FilterSummary done = evaluation::run_filter(chosen);
  if (common.json) {
    config::Json json = done.to_json();
    json["out"] = chosen.out;
    print_json(json);
    return;
  }
  std::cout << "kept " << done.kept << " of " << done.judged << " (similarity below " << done.tau
            << ", " << done.tau_source << " threshold)\n";
  if (done.compared > 0) {
    std::cout << "of " << done.compared << " real " << done.tau_over << " "
              << 100.0 * done.compared_rate << " % reach it\n";
  }
  std::cout << "kept.csv, privacy_scores.csv, privacy_histogram.png in " << chosen.out << '\n';
}

}  // namespace

void add_filter(Program& program) {
  auto options = std::make_shared<Options>();
  evaluation::FilterOptions& filter_options = options->filter;
  CLI::App& verb = program.add_verb(
      "filter", "The re-ID privacy filter over latents or videos that exist already",
      "echopath filter --real data --synthetic samples --model models/phantom --out filtered",
      [options](const CommonOptions& common) { filter(*options, common); });
  const auto folder = [&](const char* name, std::string& value, const char* help) {
    return verb.add_option(name, value, help)->type_name("DIR");
  };
  folder("--real", filter_options.real,
         "dataset or latents directory whose TRAIN videos the model was trained on")
      ->required();
  folder("--synthetic", filter_options.synthetic,
         "what to judge: latents (heart frames), or a dataset or sample directory")
      ->required();
  folder("--model", filter_options.model,
         "model directory with reid/ and vae/ (default: models/phantom)");
  folder("--out", filter_options.out, "folder for the results")->capture_default_str();
  verb.add_option("--threshold", options->threshold,
                  "where tau is from: model, real (held-out videos), or auto: the model's where "
                  "it holds for these frames (default auto)")
      ->type_name("NAME");
  verb.add_option("--tau", filter_options.tau, "this threshold instead")->type_name("TAU");
  verb.add_option("--percentile", filter_options.percentile,
                  "of the held-out similarities (default 95)")
      ->type_name("P");
  verb.add_option("--frames", options->frames,
                  "frames of each synthetic video that are judged (default 8)")
      ->type_name("N");
  verb.add_option("--real-frames", options->real_frames,
                  "frames of each real video to compare with (default 8)")
      ->type_name("N");
  verb.add_flag("--copy", filter_options.copy, "copy the kept files to --out, with a FileList.csv");
  verb.add_option("--compat", options->compat,
                  "echonet-synthetic: every switch as in the published filter")
      ->type_name("NAME");
  verb.add_option("--set", options->overrides,
                  "overrides one key: compatibility.privacy_split=TEST")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace echopath::cli
