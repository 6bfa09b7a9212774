#include <iostream>

#include "cli/verbs.hpp"
#include "echopath/data/splits.hpp"
#include "echopath/phantom/studies.hpp"

namespace echopath::cli {
namespace {

struct Options {
  phantom::WriteOptions write;
  std::string split = "70,15,15";
};

void simulate(const Options& options, const CommonOptions& common) {
  phantom::WriteOptions write = options.write;
  write.seed = common.seed.value_or(0);
  write.fractions = data::parse_split_fractions(options.split);
  write.show_progress = !common.quiet;
  const phantom::WriteSummary done = phantom::write_studies(write);
  if (common.json) {
    print_json({{"out", write.out.string()},
                {"videos", done.videos},
                {"frames", done.frames},
                {"train", done.train},
                {"val", done.val},
                {"test", done.test}});
    return;
  }
  std::cout << "wrote " << done.videos << " studies (" << done.frames << " frames) to "
            << write.out.string() << ": " << done.train << " train, " << done.val << " validation, "
            << done.test << " test\n";
}

}  // namespace

void add_phantom(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App& verb = program.add_verb(
      "phantom", "Simulates labelled apical four-chamber studies: no patient data needed",
      "echopath phantom --out data/phantom --patients 40 --seed 1 --masks",
      [options](const CommonOptions& common) { simulate(*options, common); });
  phantom::WriteOptions& write = options->write;
  verb.add_option("--out", write.out, "folder to write; must not exist yet")
      ->required()
      ->type_name("DIR");
  verb.add_option("--patients", write.patients, "patients, one video each; the classes take turns")
      ->check(CLI::Range(1, 10'000'000).description(""))
      ->capture_default_str()
      ->type_name("N");
  verb.add_flag("--masks", write.masks, "write label maps beside the videos");
  verb.add_option("--layout", write.layout, "dataset, or cardiacnet (NIfTI)")
      ->check(CLI::IsMember({"dataset", "cardiacnet"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--frames", write.frames, "frames per video")
      ->check(CLI::Range(2, 100'000).description(""))
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--fps", write.fps, "frames per second")
      ->check(CLI::Range(0.1, 1000.0).description(""))
      ->capture_default_str()
      ->type_name("F");
  verb.add_option("--split", options->split, "percent of patients for TRAIN,VAL,TEST")
      ->capture_default_str()
      ->type_name("A,B,C");
}

}  // namespace echopath::cli
