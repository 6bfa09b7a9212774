#include "echopath/models/convert.hpp"

#include <iostream>

#include "cli/verbs.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

using models::Conversion;
using models::NetworkReport;

struct Command {
  models::ConvertOptions options;
  std::string destination;
  bool dry_run = false;
};

void print_list(const char* what, const std::vector<std::string>& names) {
  std::cout << what << (names.empty() ? "none" : join(names, ", ")) << '\n';
}

void print_network(const NetworkReport& network) {
  std::cout << "read        " << network.where << " (" << network.format << ")\n"
            << "recognised  " << network.class_name << ", " << network.parameters << " parameters, "
            << network.keys.size() << " tensors";
  if (!network.name.empty()) std::cout << ", for " << network.name << '/';
  std::cout << '\n';
  for (const auto& [from, to] : network.keys) {
    std::cout << "key         " << (from.empty() ? "(filled with 0)" : from) << " -> " << to
              << '\n';
  }
  print_list("missing     ", network.missing);
  print_list("left over   ", network.surplus);
  if (!network.left_out.empty()) print_list("left out    ", network.left_out);
  for (const std::string& note : network.notes) std::cout << "note        " << note << '\n';
}

void print_plan(const Conversion& conversion) {
  for (const NetworkReport& network : conversion.networks()) print_network(network);
  if (conversion.latent_videos() > 0) {
    std::cout << "recognised  latents of the reference, videos: " << conversion.latent_videos()
              << '\n';
  }
  if (!conversion.left_out().empty()) print_list("left out    ", conversion.left_out());
}

config::Json to_json(const Conversion& conversion) {
  config::Json networks = config::Json::array();
  for (const NetworkReport& network : conversion.networks()) {
    config::Json keys = config::Json::object();
    for (const auto& [from, to] : network.keys) {
      keys[to] = from.empty() ? config::Json() : config::Json(from);
    }
    networks.push_back({{"name", network.name},
                        {"source", network.where},
                        {"format", network.format},
                        {"class_name", network.class_name},
                        {"parameters", network.parameters},
                        {"keys", keys},
                        {"missing", network.missing},
                        {"left_over", network.surplus},
                        {"left_out", network.left_out},
                        {"notes", network.notes}});
  }
  return {{"networks", networks},
          {"latent_videos", conversion.latent_videos()},
          {"left_out", conversion.left_out()}};
}

void print_done(const Conversion& conversion, const std::string& destination) {
  for (const NetworkReport& network : conversion.networks()) {
    std::cout << network.class_name << ", " << network.parameters << " parameters, "
              << network.keys.size() << " tensors, from " << network.where << '\n';
    for (const std::string& note : network.notes) std::cout << "note: " << note << '\n';
  }
  if (conversion.latent_videos() > 0) {
    std::cout << "latents, videos: " << conversion.latent_videos() << '\n';
  }
  if (!conversion.left_out().empty()) {
    std::cout << "left out: " << join(conversion.left_out(), ", ") << '\n';
  }
  std::cout << "wrote " << destination << '\n';
}

void convert(const Command& command, const CommonOptions& common) {
  if (command.destination.empty() && !command.dry_run) {
    throw UsageError("convert: the destination is missing; echopath convert SRC DST");
  }
  const Conversion conversion(command.options);
  if (command.dry_run) {
    common.json ? print_json(to_json(conversion)) : print_plan(conversion);
    conversion.require_convertible(command.destination);
    return;
  }
  conversion.write(command.destination);
  common.json ? print_json(to_json(conversion)) : print_done(conversion, command.destination);
}

}  // namespace

void add_convert(Program& program) {
  auto command = std::make_shared<Command>();
  CLI::App& verb =
      program.add_verb("convert",
                       "Converts weights of diffusers, accelerate and torchvision, and the "
                       "reference's latents, into "
                       "diffusers directories and latents directories",
                       "echopath convert experiments/lvdm/checkpoint-87000 models/echopath/lvdm",
                       [command](const CommonOptions& common) { convert(*command, common); });
  verb.add_option("source", command->options.source,
                  "folder or file, known by its content (docs/file_formats.md)")
      ->required()
      ->type_name("SRC");
  verb.add_option("destination", command->destination,
                  "network folder or model directory to make; a .safetensors for one latent")
      ->type_name("DST");
  verb.add_flag("--dry-run", command->dry_run,
                "print what is recognised, the key mapping, what is missing or left over; write "
                "nothing");
  verb.add_option("--config", command->options.config,
                  "config.json of weights that come without theirs")
      ->type_name("FILE");
  verb.add_flag("--allow-nonfinite", command->options.allow_nonfinite,
                "keep weights that are NaN or infinite");
}

}  // namespace echopath::cli
