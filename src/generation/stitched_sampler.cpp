#include "echopath/generation/stitched_sampler.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/generation/block_sampler.hpp"
#include "generation/denoise.hpp"
#include "generation/video_denoiser.hpp"

namespace echopath::generation {

std::vector<std::int64_t> published_window_labels(const std::vector<std::int64_t>& labels,
                                                  std::int64_t video, std::int64_t windows) {
  const auto batch = static_cast<std::int64_t>(labels.size());
  std::vector<std::int64_t> result;
  for (std::int64_t window = 0; window < windows; ++window) {
    result.push_back(labels.at(static_cast<std::size_t>((window * batch + video) / windows)));
  }
  return result;
}

StitchedSampler::StitchedSampler(const models::ModelDirectory& model,
                                 const DenoisingOptions& options, std::int64_t overlap,
                                 at::Device device, const models::Compatibility& compatibility)
    : lvdm_(std::make_unique<VideoDenoiser>(model, options, device, compatibility)),
      overlap_(overlap == 0 ? window_length() / 2 : overlap) {
  if (overlap_ < 0 || overlap_ >= window_length()) {
    throw UsageError("stitched.overlap is " + std::to_string(overlap_) +
                     ", but the model's windows have " + std::to_string(window_length()) +
                     " frames; take fewer than those, or 0 for half");
  }
}

StitchedSampler::~StitchedSampler() = default;

std::int64_t StitchedSampler::window_length() const {
  return lvdm_->block_length();
}

at::Tensor StitchedSampler::sample(const at::Tensor& heart, const std::vector<std::int64_t>& labels,
                                   std::uint64_t seed, std::optional<models::HeartCycle> cycle,
                                   const StepCallback& on_window) const {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(heart.dim() == 3 && !labels.empty(),
              "a stitched video takes a heart frame [C, h, w] and a label for each window");
  std::vector<std::int64_t> shape = heart.sizes().vec();
  shape.insert(shape.begin(), {1, window_length()});
  const at::Tensor reference = heart.to(lvdm_->device(), at::kFloat).expand(shape);
  const std::int64_t advance = window_length() - overlap_;
  std::vector<VideoDenoiser::References> references;  // of each window, or one of all
  for (std::size_t r = 0; r < (cycle ? labels.size() : 1); ++r) {
    const double seconds =
        static_cast<double>(static_cast<std::int64_t>(r) * advance) / lvdm_->fps();
    references.push_back(
        lvdm_->prepare(reference, {cycle ? std::optional(cycle->after(seconds)) : std::nullopt}));
  }
  shape[1] = video_length(window_length(), overlap_, static_cast<std::int64_t>(labels.size()));
  const auto noise = [&](Stream stream, std::size_t step) {
    return lvdm_->noise(shape, {seed, stream, 0, static_cast<std::uint32_t>(step)});
  };
  Trajectory trajectory;
  trajectory.predict = [&](const at::Tensor& sample, std::size_t index) {
    std::vector<at::Tensor> answers;
    for (std::size_t r = 0; r < labels.size(); ++r) {
      const std::int64_t first = static_cast<std::int64_t>(r) * advance;
      const at::Tensor window = sample.slice(1, first, first + window_length());
      const at::Tensor answer = lvdm_->predict(window, references[cycle ? r : 0], index,
                                               lvdm_->prepare(std::vector{labels[r]}));
      answers.push_back(r == 0 ? answer : answer.slice(1, overlap_));
      if (on_window) on_window();
    }
    return at::cat(answers, 1);
  };
  trajectory.noise = [&](std::size_t step) { return noise(Stream::kSolverNoise, step); };
  const auto solver = lvdm_->make_solver();
  return denoise(*solver, noise(Stream::kInitialNoise, 0), trajectory).squeeze(0).cpu();
}

}  // namespace echopath::generation
