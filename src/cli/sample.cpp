#include "echopath/generation/sample.hpp"

#include <iostream>

#include "cli/launch.hpp"
#include "cli/sample_arguments.hpp"
#include "cli/verbs.hpp"
#include "echopath/distributed/environment.hpp"

namespace echopath::cli {
namespace {

constexpr const char* kExamples =
    "echopath sample --class ASD --w 5 --blocks 4 --out samples/asd\n"
    "  echopath sample --classes ASD,Non-ASD,PAH,Non-PAH --count 500 --nproc 4 --out samples/set\n"
    "  echopath sample --classes ASD,Non-ASD,PAH,Non-PAH --count 500 --out samples/set --resume\n"
    "  echopath sample --class PAH --heart frame.png --also gif,dicom,latents --out samples/mine\n"
    "  echopath sample --preset fast --solver unipc --steps 6 --guidance-interval 0.1,0.9";

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

void sample(const SampleArguments& given, const CommonOptions& common) {
  const auto environment = distributed::environment_from_variables();
  const generation::SampleOptions options = resolve(given, common);
  if (launched_as_processes("sample", given.nproc)) return;
  quieten_other_ranks(common);
  const generation::SampleSummary done = generation::run_sampling(options);
  if (!environment.is_root()) return;
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

}  // namespace

void add_sample(Program& program) {
  auto arguments = std::make_shared<SampleArguments>();
  CLI::App& verb = program.add_verb(
      "sample", "Makes videos of a class: heart frame, privacy gate, video blocks, decoding",
      kExamples, [arguments](const CommonOptions& common) { sample(*arguments, common); });
  add_sample_arguments(verb, *arguments);
}

}  // namespace echopath::cli
