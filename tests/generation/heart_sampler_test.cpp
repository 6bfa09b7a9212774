#include "echopath/generation/heart_sampler.hpp"

#include <gtest/gtest.h>

#include "echopath/core/random.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/models/padding.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

/// A heart frame in the plainest words: everything is computed at every step.
at::Tensor plain_heart(std::int64_t label, const DenoisingOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto model = models::ModelDirectory::open(testing::shared_toy_model());
  const auto network = model.load_lidm(at::kCPU);
  auto embedding = model.load_class_embedding("lidm", at::kCPU);
  const diffusion::NoiseSchedule schedule(model.schedule());
  const auto solver = diffusion::make_solver(schedule, options.solver);
  const std::vector<std::int64_t> shape = {1, 4, testing::kToyLatentSize, testing::kToyLatentSize};
  at::Tensor x = normal_tensor(shape, {1, Stream::kHeartFrame, 0, 0}) * solver->initial_scale();
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const double t = solver->timesteps()[i];
    const auto padded = models::pad_latents(solver->scale_model_input(x, i));
    const auto predict = [&](diffusion::Conditions with) {
      const at::Tensor token = at::full({1}, with.label ? label : 2, at::kLong);
      return models::unpad_latents(
          network->predict(padded.latents, at::full({1}, t), embedding->forward(token)), padded);
    };
    const at::Tensor output = diffusion::guided_prediction(predict, options.guidance, t / 1000.0);
    x = solver->step(output, i, x, [] { return at::Tensor(); });
  }
  return x.squeeze(0);
}

TEST(HeartSampler, WhatItPreparesOnceIsWhatThePlainNetworkComputesAtEveryStep) {
  for (const char* solver : {"ddim", "heun"}) {  // heun comes to each timestep twice
    DenoisingOptions options;
    options.solver.name = solver;
    options.solver.num_inference_steps = 3;
    options.solver.timestep_spacing = "trailing";
    options.guidance.scale = 2.0;
    const HeartSampler hearts(models::ModelDirectory::open(testing::shared_toy_model()), options,
                              at::kCPU);
    hearts.sample(1, 7, 3);  // another heart and class before
    for (const std::int64_t label : {0, 1}) {
      EXPECT_TRUE(at::equal(hearts.sample(label, 1, 0), plain_heart(label, options)))
          << solver << " " << label;
    }
  }
}

TEST(HeartSampler, InBfloat16AHeartIsNearlyTheSame) {
  DenoisingOptions options;
  options.solver.num_inference_steps = 3;
  options.guidance.scale = 2.0;
  const auto model = models::ModelDirectory::open(testing::shared_toy_model());
  const at::Tensor exact = HeartSampler(model, options, at::kCPU).sample(1, 1, 0);
  options.precision = "bf16";
  const at::Tensor half = HeartSampler(model, options, at::kCPU).sample(1, 1, 0);
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  const double difference = ((half - exact).norm() / exact.norm()).item<double>();
  EXPECT_GT(difference, 1e-5) << "it was float32";
  EXPECT_LT(difference, 0.05);
}

}  // namespace
}  // namespace echopath::generation
