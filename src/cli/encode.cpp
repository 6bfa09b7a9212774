#include <iostream>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/generation/codec.hpp"

namespace echopath::cli {

void add_encode(Program& program) {
  auto options = std::make_shared<generation::EncodeOptions>();
  const auto run = [options](const CommonOptions& common) {
    options->model = model_or_default(options->model).string();
    options->device = common.device;
    const generation::CodecSummary done = generation::encode_dataset(*options);
    if (common.json) {
      print_json({{"out", options->out},
                  {"videos", done.videos},
                  {"skipped", done.skipped},
                  {"frames", done.frames}});
    } else {
      std::cout << "encoded " << done.videos << " videos (" << done.frames << " frames), "
                << done.skipped << " were there already; latents in " << options->out << '\n';
    }
  };
  CLI::App& verb = program.add_verb(
      "encode", "Turns the videos of a dataset into latents of the VAE",
      "echopath encode --data data/phantom --model models/phantom --out latents/phantom", run);
  verb.add_option("--data", options->data, "dataset directory with FileList.csv and Videos/")
      ->required()
      ->type_name("DIR");
  verb.add_option("--model", options->model, "model directory with vae/ (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--out", options->out, "latents directory to write")
      ->required()
      ->type_name("DIR");
  verb.add_option("--batch", options->batch_size, "frames at once")
      ->check(CLI::Range(1, 65536).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
