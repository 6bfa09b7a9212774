#include "generation/denoise.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"

namespace echopath::generation {

at::ScalarType parse_precision(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  throw UsageError("precision '" + name + "' is unknown; use fp32, bf16 or fp16");
}

void require_fast(at::ScalarType dtype, at::Device device) {
  if (dtype != at::kHalf || !device.is_cpu()) return;
  throw UsageError("precision fp16 is for GPUs; on a CPU use bf16");
}

void visit_solver(config::Visitor& v, diffusion::SolverOptions& options) {
  v.section(
      "solver",
      [&options](config::Visitor& s) {
        s.choice("name", options.name, diffusion::solver_names(), "how to walk from noise to data");
        s.integer("num_inference_steps", options.num_inference_steps, {1, 100000},
                  "steps of a trajectory; heun evaluates the network twice in all but the last");
        s.choice("timestep_spacing", options.timestep_spacing, {"leading", "trailing", "linspace"},
                 "where on the training schedule the steps lie; a flow has its own places");
        s.integer("steps_offset", options.steps_offset, {0, 100000},
                  "added to every timestep of the leading spacing");
        s.boolean("clip_sample", options.clip_sample, "clamp the predicted clean latents");
        s.real("clip_sample_range", options.clip_sample_range, {1e-6, 1e6},
               "to plus or minus this");
        s.real("eta", options.eta, {0, 1}, "ddim: 0 deterministic, 1 as noisy as ddpm");
        s.choice("variance_type", options.variance_type, diffusion::variance_type_names(),
                 "ddpm: variance of a step");
        s.boolean("set_alpha_to_one", options.set_alpha_to_one,
                  "ddim: the last step goes to clean data, not to the first noise level");
        s.boolean("reproduce_diffusers", options.reproduce_diffusers,
                  "ddim, ddpm: diffusers' own steps and noise also where they stray from the "
                  "method (spacings other than leading)");
        s.integer("solver_order", options.solver_order, {1, 3},
                  "unipc: order of the predictor; the corrector adds one");
        s.real("flow_shift", options.flow_shift, {1e-3, 1e3},
               "flow_prediction: above 1 more of the steps are noisy ones");
      },
      "the solver and its steps");
}

double noise_level(const diffusion::NoiseSchedule& schedule, double t) {
  return t / static_cast<double>(schedule.num_train_timesteps());
}

at::Tensor denoise(diffusion::Solver& solver, const at::Tensor& noise,
                   const Trajectory& trajectory) {
  at::Tensor sample = noise * solver.initial_scale();
  for (std::size_t i = 0; i < solver.timesteps().size(); ++i) {
    if (trajectory.constrain) sample = trajectory.constrain(sample, i);
    const at::Tensor output = trajectory.predict(solver.scale_model_input(sample, i), i);
    sample = solver.step(output, i, sample, [&] { return trajectory.noise(i); });
    if (trajectory.on_step) trajectory.on_step();
  }
  if (!at::isfinite(sample).all().item<bool>()) {
    throw DataError(
        "the sampled latents are not finite; the weights are damaged, or the guidance scale is far "
        "too large");
  }
  return sample;
}

std::vector<at::Tensor> every_context(models::ClassEmbedding& embedding,
                                      std::optional<std::int64_t> ejection_fraction,
                                      at::Device device) {
  const at::NoGradGuard no_grad;
  at::Tensor conditions = at::arange(embedding->null_label() + 1, at::kLong);
  if (embedding->takes_ejection_fraction()) {
    if (!ejection_fraction) {
      throw UsageError(
          "the model is conditioned on the ejection fraction; give it in percent: --ef 55");
    }
    conditions = at::full({embedding->null_label() + 1},
                          static_cast<double>(*ejection_fraction) / 100.0, at::kFloat);
    conditions[-1] = embedding->null_condition();
  }
  return embedding->forward(conditions.to(device)).split(1);
}

void require_size(const std::vector<std::int64_t>& latent_shape,
                  std::optional<std::int64_t> sample_size, const std::string& what,
                  const std::string& model) {
  if (!sample_size) return;
  const std::int64_t longest = std::max(latent_shape.at(1), latent_shape.at(2));
  constexpr std::int64_t kMultiple = 8;
  const std::int64_t padded = (longest + kMultiple - 1) / kMultiple * kMultiple;
  if (*sample_size == longest || *sample_size == padded) return;
  throw DataError(model + ": the " + what + " was made for latents of size " +
                  std::to_string(*sample_size) + ", but the model's latents (latent_shape in " +
                  "echopath.json) are " + std::to_string(latent_shape[1]) + "x" +
                  std::to_string(latent_shape[2]) + "; take networks of one training");
}

void require_channels(const std::vector<std::int64_t>& latent_shape, std::int64_t in_channels,
                      std::int64_t expected_in, std::int64_t out_channels, const std::string& what,
                      const std::string& model) {
  if (latent_shape.size() != 3) {
    throw DataError(model + "/echopath.json: latent_shape must be [C, h, w]");
  }
  if (in_channels == expected_in && out_channels == latent_shape[0]) return;
  throw DataError(model + ": the " + what + " takes " + std::to_string(in_channels) +
                  " channels and gives " + std::to_string(out_channels) + ", but latents of " +
                  std::to_string(latent_shape[0]) + " channels need " +
                  std::to_string(expected_in) + " and " + std::to_string(latent_shape[0]) +
                  "; train it on latents of this VAE");
}

}  // namespace echopath::generation
