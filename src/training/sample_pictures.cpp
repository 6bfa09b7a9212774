#include "training/sample_pictures.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "echopath/core/interrupt.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/trajectory.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kSteps = 20;
constexpr double kLatentRange = 3.0;
constexpr std::int64_t kEnlargement = 4;

}  // namespace

at::Tensor sample_latents(const diffusion::NoiseScheduleOptions& schedule, const at::Tensor& noise,
                          const Answer& answer) {
  diffusion::SolverOptions options;
  options.name = schedule.prediction_type == "flow_prediction" ? "flow_euler" : "ddim";
  options.num_inference_steps = std::min(kSteps, schedule.num_train_timesteps);
  options.timestep_spacing = "trailing";
  const auto solver = diffusion::make_solver(diffusion::NoiseSchedule(schedule), options);
  generation::Trajectory trajectory;
  trajectory.predict = [&](const at::Tensor& model_input, std::size_t i) {
    throw_if_interrupted("stopped by a signal while sampling");
    const at::Tensor timesteps = at::full({noise.size(0)}, solver->timesteps()[i], at::kFloat);
    return answer(model_input, timesteps).to(at::kCPU, at::kFloat);
  };
  trajectory.noise = [&](std::size_t) { return at::zeros_like(noise); };
  return generation::denoise(*solver, noise, trajectory);
}

std::vector<std::int64_t> items_of_each_class(const std::vector<LatentItem>& items,
                                              std::int64_t count) {
  std::map<std::int64_t, std::vector<std::int64_t>> classes;
  for (std::size_t i = 0; i < items.size(); ++i) {
    classes[items[i].label].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<std::int64_t> chosen;
  const auto missing = [&] { return static_cast<std::int64_t>(chosen.size()) < count; };
  for (std::size_t round = 0; missing() && !items.empty(); ++round) {
    for (const auto& [label, members] : classes) {
      if (missing()) chosen.push_back(members[round % members.size()]);
    }
  }
  return chosen;
}

LatentViewer::LatentViewer(const std::filesystem::path& model_directory, const LatentSource& source,
                           at::Device device)
    : scaling_factor_(source.scaling_factor()) {
  std::error_code unreadable;
  if (!std::filesystem::exists(model_directory / "vae" / "config.json", unreadable)) return;
  const models::ModelDirectory model = models::ModelDirectory::open(model_directory);
  if (!source.encoder_hash().empty() && model.encoder_hash() != source.encoder_hash()) return;
  codec_.emplace(model.load_vae(device), device);
}

at::Tensor LatentViewer::show(const at::Tensor& latents) const {
  if (!codec_) {
    const at::Tensor levels =
        (latents.clamp(-kLatentRange, kLatentRange) + kLatentRange) * (255.0 / 2.0 / kLatentRange);
    return levels.round()
        .to(at::kByte)
        .permute({0, 2, 1, 3})
        .flatten(2)
        .repeat_interleave(kEnlargement, 1)
        .repeat_interleave(kEnlargement, 2);
  }
  const std::int64_t height = latents.size(2) * codec_->factor();
  const std::int64_t width = latents.size(3) * codec_->factor();
  const at::Tensor pictures = at::empty({latents.size(0), height, width}, at::kByte);
  auto* next = pictures.mutable_data_ptr<std::uint8_t>();
  codec_->decode(latents / scaling_factor_, [&](const std::uint8_t* frame) {
    std::memcpy(next, frame, static_cast<std::size_t>(height * width));
    next += height * width;
  });
  return pictures;
}

io::Frames tiled(const std::vector<at::Tensor>& pictures, std::int64_t columns, double fps) {
  const at::Tensor black = at::zeros_like(pictures.front());
  std::vector<at::Tensor> rows;
  for (std::size_t first = 0; first < pictures.size(); first += static_cast<std::size_t>(columns)) {
    std::vector<at::Tensor> row;
    for (std::size_t i = first; i < first + static_cast<std::size_t>(columns); ++i) {
      row.push_back(i < pictures.size() ? pictures[i] : black);
    }
    rows.push_back(at::cat(row, 2));
  }
  const at::Tensor sheet = at::cat(rows, 1).contiguous();
  io::Frames frames{sheet.size(0), sheet.size(1), sheet.size(2), 1, fps, {}};
  const auto* bytes = sheet.const_data_ptr<std::uint8_t>();
  frames.pixels.assign(bytes, bytes + sheet.numel());
  return frames;
}

}  // namespace echopath::training
