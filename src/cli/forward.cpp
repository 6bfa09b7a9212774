#include "echopath/generation/forward.hpp"

#include <iostream>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"

namespace echopath::cli {
namespace {

void forward(generation::ForwardOptions options, const CommonOptions& common) {
  options.model = model_or_default(options.model).string();
  options.device = common.device;
  const generation::ForwardSummary written = generation::run_forward(options);
  if (common.json) {
    config::Json tensors = config::Json::object();
    for (const auto& [name, shape] : written) tensors[name] = shape;
    print_json({{"out", options.out}, {"tensors", tensors}});
    return;
  }
  std::cout << "wrote " << options.out << ':';
  for (const auto& [name, shape] : written) {
    std::cout << ' ' << name << ' ' << config::Json(shape).dump();
  }
  std::cout << '\n';
}

}  // namespace

void add_forward(Program& program) {
  auto options = std::make_shared<generation::ForwardOptions>();
  CLI::App& verb = program.add_verb(
      "forward",
      "Runs one network once on given tensors, to compare it with another implementation",
      "echopath forward --model models/phantom --network vae --decode --inputs latents.safetensors "
      "--out images.safetensors",
      [options](const CommonOptions& common) { forward(*options, common); });
  verb.add_option("--model", options->model, "model directory (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option(
          "--network", options->network,
          "vae, lidm, lvdm, reid, resnet50, r3d_18, r2plus1d_18 or a classifier: a folder of "
          "the model directory, with weights in safetensors (shards too) or torch.save")
      ->required()
      ->type_name("NAME");
  verb.add_option("--inputs", options->inputs,
                  "safetensors file with tensors named as diffusers' arguments: sample; timestep, "
                  "encoder_hidden_states or labels (lidm, lvdm), added_time_ids (lvdm); z (vae "
                  "--decode)")
      ->required()
      ->type_name("FILE");
  verb.add_option("--out", options->out,
                  "safetensors file to write: sample, or mean and logvar (vae --encode)")
      ->required()
      ->type_name("FILE");
  verb.add_flag("--encode", options->encode, "vae: images to the posterior's mean and logvar");
  verb.add_flag("--decode", options->decode, "vae: unscaled latents to images");
}

}  // namespace echopath::cli
