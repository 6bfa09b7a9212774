#include "echopath/models/scheduler_config.hpp"

#include <regex>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::models {
namespace {

constexpr const char* kFlowClass = "FlowMatchEulerDiscreteScheduler";

const std::vector<std::string>& known_classes() {
  static const std::vector<std::string> names = {"DDPMScheduler",
                                                 "DDIMScheduler",
                                                 "DPMSolverMultistepScheduler",
                                                 "UniPCMultistepScheduler",
                                                 "EulerDiscreteScheduler",
                                                 "HeunDiscreteScheduler",
                                                 kFlowClass};
  return names;
}

/// Keys that say how to sample, each with the value that is written.
void visit_chosen_with_solver(config::Visitor& v, const config::Json& keys) {
  for (const auto& [key, value] : keys.items()) {
    v.ignored(key.c_str(), value, "chosen with the solver");
  }
}

/// What a DDPMScheduler's file holds.
void visit_ddpm_file(config::Visitor& v, diffusion::NoiseScheduleOptions& options) {
  visit_schedule(v, options);
  v.fixed("trained_betas", nullptr, "betas given one by one");
  v.fixed("thresholding", false, "dynamic thresholding");
  visit_chosen_with_solver(v, {{"variance_type", "fixed_small"},
                               {"clip_sample", true},
                               {"clip_sample_range", 4.0},
                               {"dynamic_thresholding_ratio", 0.995},
                               {"sample_max_value", 1.0},
                               {"timestep_spacing", "leading"},
                               {"steps_offset", 0}});
}

/// What a FlowMatchEulerDiscreteScheduler's file holds besides num_train_timesteps.
void visit_flow_file(config::Visitor& v) {
  v.fixed("invert_sigmas", false, "time that runs from data to noise");
  v.fixed("use_dynamic_shifting", false, "a shift that depends on the picture's size");
  visit_chosen_with_solver(v, {{"shift", 1.0},
                               {"base_shift", 0.5},
                               {"max_shift", 1.15},
                               {"base_image_seq_len", 256},
                               {"max_image_seq_len", 4096},
                               {"shift_terminal", nullptr},
                               {"use_karras_sigmas", false},
                               {"use_exponential_sigmas", false},
                               {"use_beta_sigmas", false},
                               {"time_shift_type", "exponential"},
                               {"stochastic_sampling", false}});
}

/// What the files of the other schedulers hold besides.
void visit_other_files(config::Visitor& v, bool& use_flow_sigmas) {
  v.boolean("use_flow_sigmas", use_flow_sigmas, "the straight path of flow matching");
  v.fixed("timestep_type", "discrete", "what the network is told of the noise");
  visit_chosen_with_solver(v, {{"set_alpha_to_one", true},
                               {"solver_order", 2},
                               {"solver_type", "midpoint"},
                               {"solver_p", nullptr},
                               {"algorithm_type", "dpmsolver++"},
                               {"predict_x0", true},
                               {"disable_corrector", config::Json::array()},
                               {"lower_order_final", true},
                               {"euler_at_final", false},
                               {"final_sigmas_type", "zero"},
                               {"lambda_min_clipped", nullptr},
                               {"interpolation_type", "linear"},
                               {"use_lu_lambdas", false},
                               {"flow_shift", 1.0},
                               {"sigma_min", nullptr},
                               {"sigma_max", nullptr}});
}

config::Json parse(const std::string& text, const std::string& source) {
  // Python writes the default of DPMSolverMultistepScheduler in this way, which is no JSON.
  static const std::regex infinity(R"(("lambda_min_clipped"\s*:\s*)-Infinity)");
  try {
    return config::parse_json(std::regex_replace(text, infinity, "$1null"), source);
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

std::string class_of(const config::Json& json, const std::string& source) {
  if (!json.is_object() || !json.contains("_class_name")) return {};
  const config::Json& name = json["_class_name"];
  for (const std::string& known : known_classes()) {
    if (name == config::Json(known)) return known;
  }
  throw ConfigError(source + ": _class_name " + name.dump() + " is unknown; use one of " +
                    join(known_classes(), ", "));
}

}  // namespace

void visit_schedule(config::Visitor& v, diffusion::NoiseScheduleOptions& options) {
  v.integer("num_train_timesteps", options.num_train_timesteps, {1, 1'000'000},
            "steps of the noise schedule");
  v.real("beta_start", options.beta_start, {0.0, 1.0}, "first beta");
  v.real("beta_end", options.beta_end, {0.0, 1.0}, "last beta");
  v.choice("beta_schedule", options.beta_schedule, diffusion::beta_schedule_names(),
           "how beta runs between both");
  v.boolean("rescale_betas_zero_snr", options.rescale_betas_zero_snr,
            "rescale to zero terminal signal (Lin et al., 2024)");
  v.choice("prediction_type", options.prediction_type, diffusion::prediction_type_names(),
           "what the network predicts; flow_prediction: on a straight path, without betas");
}

diffusion::NoiseScheduleOptions schedule_from_text(const std::string& text,
                                                   const std::string& source) {
  const config::Json json = parse(text, source);
  diffusion::NoiseScheduleOptions options;
  bool use_flow_sigmas = class_of(json, source) == kFlowClass;
  if (use_flow_sigmas) options.prediction_type = "flow_prediction";
  const config::VisitFunction visit = [&](config::Visitor& v) {
    visit_ddpm_file(v, options);
    visit_flow_file(v);
    visit_other_files(v, use_flow_sigmas);
  };
  config::apply(json, visit, source);
  if (use_flow_sigmas != options.is_flow()) {
    throw ConfigError(source + ": prediction_type " + options.prediction_type +
                      " and use_flow_sigmas do not belong together: flow_prediction is the one "
                      "that takes the straight path");
  }
  return options;
}

config::Json schedule_to_json(const diffusion::NoiseScheduleOptions& options) {
  diffusion::NoiseScheduleOptions written = options;
  if (options.is_flow()) {
    config::Json json = {{"_class_name", kFlowClass},
                         {"num_train_timesteps", options.num_train_timesteps}};
    json.update(config::dump(visit_flow_file));
    return json;
  }
  config::Json json = {{"_class_name", "DDPMScheduler"}};
  json.update(config::dump([&](config::Visitor& v) { visit_ddpm_file(v, written); }));
  return json;
}

}  // namespace echopath::models
