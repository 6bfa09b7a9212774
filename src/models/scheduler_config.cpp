#include "echopath/models/scheduler_config.hpp"

#include <algorithm>
#include <map>
#include <regex>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/diffusion/solver_options.hpp"
#include "models/network_config.hpp"

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

/// Keys with texts that say how to sample: each class writes another, and the solver's options
/// decide, but what none of our solvers does is refused.
const std::map<std::string, std::vector<std::string>>& supported_choices() {
  static const std::map<std::string, std::vector<std::string>> kChoices = {
      {"timestep_spacing", {"linspace", "leading", "trailing"}},
      {"variance_type", diffusion::variance_type_names()},
      {"algorithm_type", {"dpmsolver++", "sde-dpmsolver++"}},
      {"solver_type", {"midpoint", "bh2"}}};  // of DPM-Solver++ and of UniPC
  return kChoices;
}

void require_supported_choices(const config::Json& json, const std::string& source) {
  for (const auto& [key, values] : supported_choices()) {
    const auto given = json.find(key);
    if (given == json.end() || given->is_null()) continue;
    const bool known = std::any_of(values.begin(), values.end(), [&](const std::string& value) {
      return *given == config::Json(value);
    });
    if (!known) {
      throw ConfigError(source + ": " + key + ": only " + join(values, ", ") +
                        " are supported; found " + one_line(given->dump()));
    }
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
  v.fixed("shift_terminal", nullptr, "steps stretched to a given last sigma");
  v.fixed("use_karras_sigmas", false, "Karras' spacing of the steps");
  v.fixed("use_exponential_sigmas", false, "exponential spacing of the steps");
  v.fixed("use_beta_sigmas", false, "spacing of the steps by a beta distribution");
  v.fixed("stochastic_sampling", false, "fresh noise in every step");
  visit_chosen_with_solver(v, {{"shift", 1.0},
                               {"base_shift", 0.5},
                               {"max_shift", 1.15},
                               {"base_image_seq_len", 256},
                               {"max_image_seq_len", 4096},
                               {"time_shift_type", "exponential"}});
}

/// What the files of the other schedulers hold besides.
void visit_other_files(config::Visitor& v, bool& use_flow_sigmas) {
  v.boolean("use_flow_sigmas", use_flow_sigmas, "the straight path of flow matching");
  v.fixed("timestep_type", "discrete", "what the network is told of the noise");
  v.fixed("solver_p", nullptr, "another solver for UniPC's predictor");
  v.fixed("predict_x0", true, "a solver of the clean sample, not of the noise");
  v.fixed("disable_corrector", config::Json::array(), "UniPC steps without correction");
  v.fixed("lower_order_final", true, "last steps of lower order");
  v.fixed("euler_at_final", false, "Euler's method in the last step");
  v.fixed("final_sigmas_type", "zero", "noise behind the last step");
  v.fixed("lambda_min_clipped", nullptr, "a bound on the first step's signal");
  v.fixed("interpolation_type", "linear", "sigmas between timesteps");
  v.fixed("use_lu_lambdas", false, "Lu's spacing of the steps");
  v.fixed("sigma_min", nullptr, "a lowest sigma of its own");
  v.fixed("sigma_max", nullptr, "a highest sigma of its own");
  visit_chosen_with_solver(v,
                           {{"set_alpha_to_one", true}, {"solver_order", 2}, {"flow_shift", 1.0}});
  for (const auto& [key, values] : supported_choices()) {
    v.ignored(key.c_str(), nullptr, "chosen with the solver");
  }
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

std::string known_class_of(const config::Json& json, const std::string& source) {
  const std::string name = class_name_of(json, source);
  const auto& known = known_classes();
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  throw ConfigError(source + ": _class_name " +
                    (name.empty() ? "is absent" : quoted_text(name) + " is unknown") +
                    "; use one of " + join(known, ", "));
}

/// What diffusers 0.42.1 takes for the keys that a class's file lacks.
diffusion::NoiseScheduleOptions defaults_of(const std::string& class_name) {
  diffusion::NoiseScheduleOptions options;
  options.prediction_type = class_name == kFlowClass ? "flow_prediction" : "epsilon";
  if (class_name == "HeunDiscreteScheduler") {
    options.beta_start = 0.00085;
    options.beta_end = 0.012;
  }
  return options;
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
  if (!json.is_object()) throw DataError(source + ": expected a JSON object");
  const std::string class_name = known_class_of(json, source);
  diffusion::NoiseScheduleOptions options = defaults_of(class_name);
  bool use_flow_sigmas = class_name == kFlowClass;
  require_known_metadata(json, source);
  require_supported_choices(json, source);
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
