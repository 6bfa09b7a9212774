#include <iostream>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/generation/codec.hpp"

namespace echopath::cli {

void add_decode(Program& program) {
  auto options = std::make_shared<generation::DecodeOptions>();
  const auto run = [options](const CommonOptions& common) {
    options->model = model_or_default(options->model).string();
    options->device = common.device;
    const generation::CodecSummary done = generation::decode_latents(*options);
    if (common.json) {
      print_json({{"out", options->out},
                  {"videos", done.videos},
                  {"skipped", done.skipped},
                  {"frames", done.frames}});
    } else {
      std::cout << "decoded " << done.videos << " videos (" << done.frames << " frames), "
                << done.skipped << " were there already; dataset in " << options->out << '\n';
    }
  };
  CLI::App& verb = program.add_verb(
      "decode", "Turns latents back into videos",
      "echopath decode --latents latents/phantom --model models/phantom --out data/decoded", run);
  verb.add_option("--latents", options->latents, "latents directory written by `echopath encode`")
      ->required()
      ->type_name("DIR");
  verb.add_option("--model", options->model, "model directory with vae/ (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--out", options->out, "dataset directory to write")
      ->required()
      ->type_name("DIR");
  verb.add_option("--codec", options->codec, "ffv1 (lossless AVI) or h264 (MP4)")
      ->check(CLI::IsMember({"ffv1", "h264"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--batch", options->batch_size, "frames at once")
      ->check(CLI::Range(1, 65536).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
