#include <iomanip>
#include <iostream>

#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/core/build_info.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/media_support.hpp"

namespace echopath::cli {
namespace {

std::string found_or_missing(const std::filesystem::path& folder) {
  std::error_code ignored;
  return !folder.empty() && std::filesystem::exists(folder, ignored) ? folder.string() : "";
}

struct Findings {
  BuildInfo build = build_info();
  io::MediaSupport media = io::media_support();
  std::filesystem::path root = resource_root();
  std::string configs = found_or_missing(root.empty() ? root : root / "configs");
  std::string model = found_or_missing(root.empty() ? root : root / kDefaultModel);
};

/// What keeps something from working, with its remedy.
std::vector<std::string> problems(const Findings& found) {
  std::vector<std::string> lines = found.build.remedies;
  for (const io::EncoderSupport& encoder : found.media.encoders) {
    if (!encoder.available) {
      lines.push_back("FFmpeg: no encoder " + encoder.name + " (" + encoder.purpose +
                      "); install the distribution's ffmpeg and libavcodec packages");
    }
  }
  if (found.configs.empty()) {
    lines.push_back("configs: not found; set ECHOPATH_HOME to the folder that holds them");
  }
  if (found.model.empty()) {
    lines.push_back("demo model: not found; run scripts/train_phantom_model.sh, or give --model");
  }
  return lines;
}

config::Json to_json(const Findings& found) {
  const BuildInfo& build = found.build;
  config::Json encoders = config::Json::object();
  for (const io::EncoderSupport& encoder : found.media.encoders) {
    encoders[encoder.name] = encoder.available;
  }
  return {{"version", build.version},
          {"build_type", build.build_type},
          {"compiler", build.compiler},
          {"libtorch", build.libtorch_version},
          {"cpu",
           {{"model", build.cpu_model},
            {"cores", build.cpu_cores},
            {"capability", build.cpu_capability},
            {"fast_bfloat16", build.fast_bfloat16},
            {"threads", build.threads},
            {"memory_bytes", build.memory_bytes}}},
          {"cuda",
           {{"build", build.cuda_build},
            {"driver", build.nvidia_driver},
            {"usable", build.cuda_usable},
            {"devices", build.cuda_devices},
            {"nccl", build.nccl_build}}},
          {"ffmpeg", {{"version", found.media.ffmpeg_version}, {"encoders", encoders}}},
          {"gdcm", found.media.gdcm_version},
          {"configs", found.configs},
          {"demo_model", found.model},
          {"missing", problems(found)}};
}

const char* yes_no(bool value) {
  return value ? "yes" : "no";
}

void print_row(const std::string& name, const std::string& value) {
  std::cout << std::left << std::setw(16) << name << value << '\n';
}

void print_text(const Findings& found) {
  const BuildInfo& build = found.build;
  print_row("echopath", build.version + " (" + build.build_type + ", GCC " + build.compiler + ")");
  print_row("LibTorch", build.libtorch_version);
  print_row("processor", build.cpu_model + ", " + std::to_string(build.cpu_cores) + " cores, " +
                             build.cpu_capability +
                             ", fast bfloat16: " + yes_no(build.fast_bfloat16));
  print_row("threads", std::to_string(build.threads));
  print_row("memory", human_bytes(build.memory_bytes));
  print_row("CUDA", std::string("build: ") + yes_no(build.cuda_build) +
                        ", driver: " + yes_no(build.nvidia_driver) + ", devices: " +
                        (build.cuda_devices.empty() ? "none" : join(build.cuda_devices, ", ")));
  print_row("NCCL", yes_no(build.nccl_build));
  print_row("FFmpeg", found.media.ffmpeg_version);
  for (const io::EncoderSupport& encoder : found.media.encoders) {
    print_row("  " + encoder.name,
              std::string(yes_no(encoder.available)) + " (" + encoder.purpose + ")");
  }
  print_row("GDCM", found.media.gdcm_version);
  print_row("configs", found.configs.empty() ? "none" : found.configs);
  print_row("demo model", found.model.empty() ? "none" : found.model);
  const std::vector<std::string> missing = problems(found);
  std::cout << (missing.empty() ? "nothing is missing\n" : "missing:\n");
  for (const std::string& line : missing) std::cout << "  " << line << '\n';
}

}  // namespace

void add_doctor(Program& program) {
  program.add_verb("doctor", "What this machine and build can do, and what is missing",
                   "echopath doctor --json", [](const CommonOptions& common) {
                     const Findings found;
                     if (common.json) {
                       print_json(to_json(found));
                     } else {
                       print_text(found);
                     }
                   });
}

}  // namespace echopath::cli
