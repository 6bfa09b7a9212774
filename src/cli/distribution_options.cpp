#include "cli/distribution_options.hpp"

#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

void add_inputs(CLI::App& verb, DistributionCommand& options) {
  evaluation::DistributionOptions& measure = options.measure;
  verb.add_option("--synthetic", measure.synthetic,
                  "sample directory, dataset, folder of videos, or of folders of pictures")
      ->type_name("DIR");
  verb.add_option("--synthetic-features", measure.synthetic_features,
                  "safetensors file with features [N, D] in place of videos")
      ->type_name("FILE");
  verb.add_option("--synthetic-split", measure.synthetic_split,
                  "split of a dataset: TRAIN, VAL, TEST")
      ->type_name("NAME");
  if (options.word != "is") {
    verb.add_option("--real", measure.real, "dataset or folder of real videos")->type_name("DIR");
    verb.add_option("--real-features", measure.real_features, "the same as file of features")
        ->type_name("FILE");
    verb.add_option("--real-split", measure.real_split, "split of a dataset: TRAIN, VAL, TEST")
        ->type_name("NAME");
  }
  verb.add_option("--class", measure.classes, "only videos of this class, repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

void add_detectors(CLI::App& verb, DistributionCommand& options) {
  const std::string help =
      ": in-domain (the model's classifiers, default), one of these by name, or a file: Inception "
      "weights (.pth) or TorchScript (.pt); repeatable";
  const auto add = [&](const char* name, std::vector<std::string>& target, const char* what) {
    verb.add_option(name, target, what + help)->type_name("DETECTOR")->allow_extra_args(false);
  };
  if (options.word == "generation") {
    verb.add_option("--metric", options.metrics,
                    "only this one of " + join(options.measure.metrics, ", ") + "; repeatable")
        ->check(CLI::IsMember(options.measure.metrics).description(""))
        ->type_name("NAME")
        ->allow_extra_args(false);
    add("--frame-detector", options.measure.frame_detectors, "of frames");
    add("--clip-detector", options.measure.clip_detectors, "of clips");
  } else {
    add("--detector", options.detectors, "network");
  }
  verb.add_option("--model", options.model,
                  "model directory with classifiers (default: models/phantom)")
      ->type_name("DIR");
}

void add_protocol(CLI::App& verb, DistributionCommand& options) {
  evaluation::DistributionOptions& measure = options.measure;
  const auto clips = options.word == "fvd" || options.word == "generation";
  if (clips) {
    verb.add_option("--frames", measure.frames, "frames of a clip, one clip from each video")
        ->check(CLI::Range(2, 1'000'000).description(""))
        ->capture_default_str()
        ->type_name("N");
  }
  if (options.word != "fvd") {
    verb.add_option("--every", measure.every, "one of so many frames")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->capture_default_str()
        ->type_name("N");
  }
  verb.add_option("--fps", measure.fps, "frame rate to bring videos to first; 0 leaves them")
      ->check(CLI::Range(0.0, 1000.0).description(""))
      ->type_name("F");
  verb.add_option("--compat", measure.compat,
                  "compute as a tool does: " + join(evaluation::protocol_names(), ", "))
      ->capture_default_str()
      ->type_name("TOOL");
  verb.add_option("--set", options.overrides, "overrides one key of the protocol: is_splits=10")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb.add_option("--folds", measure.intervals.folds,
                  "groups of patients left out in turn for the intervals; 0 for none")
      ->check(CLI::Range(0, 100'000).description(""))
      ->capture_default_str()
      ->type_name("N");
  verb.add_flag_callback(
      "--no-classes", [&measure] { measure.by_class = false; },
      "figures of all videos only, not of each class");
}

void add_running(CLI::App& verb, DistributionCommand& options) {
  verb.add_option("--out", options.out, "writes the result as JSON there too")->type_name("FILE");
  verb.add_option("--cache", options.measure.cache,
                  "where features are kept (default: ~/.cache/echopath/features)")
      ->type_name("DIR");
  verb.add_flag("--no-cache", options.no_cache, "keep no features");
  verb.add_option("--batch", options.measure.batch_size, "frames at once")
      ->check(CLI::Range(1, 65536).description(""))
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--nproc", options.nproc, "processes that share the videos")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace

void add_distribution_options(CLI::App& verb, DistributionCommand& options) {
  add_inputs(verb, options);
  add_detectors(verb, options);
  add_protocol(verb, options);
  add_running(verb, options);
}

}  // namespace echopath::cli
