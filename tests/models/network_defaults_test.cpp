// What a config.json or scheduler_config.json means where it lacks keys, and what becomes of keys
// without effect. tests/fixtures/models/make_defaults.py made the reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/scheduler_config.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "models/network_config.hpp"

namespace echopath::models {
namespace {

const config::Json& defaults_of(const std::string& class_name) {
  static const config::Json all =
      config::read_json(ECHOPATH_SOURCE_DIR "/tests/fixtures/models/diffusers_defaults.json");
  return all.at(class_name);
}

/// The options after a config.json that says nothing but its class.
template <class Options>
config::Json read_empty(const std::string& class_name) {
  Options options;
  const config::VisitFunction visit = config::visit_of(options);
  apply_network_config({{"_class_name", class_name}}, visit, "config.json");
  return config::dump(visit);
}

template <class Options>
void expect_diffusers_defaults(const std::string& class_name) {
  const config::Json ours = read_empty<Options>(class_name);
  for (const auto& [key, value] : defaults_of(class_name).items()) {
    // A VAE's block types are as many as its channels.
    if (class_name == "AutoencoderKL" && key.ends_with("_block_types")) continue;
    ASSERT_TRUE(ours.contains(key)) << class_name << ": " << key;
    EXPECT_EQ(ours[key], value) << class_name << ": " << key;
  }
}

TEST(NetworkDefaults, AbsentKeysOfDiffusersClassesMeanWhatTheyMeanInPython) {
  expect_diffusers_defaults<AutoencoderKLConfig>("AutoencoderKL");
  expect_diffusers_defaults<UNet2DConfig>("UNet2DModel");
  expect_diffusers_defaults<UNet2DConditionConfig>("UNet2DConditionModel");
  expect_diffusers_defaults<UNetSpatioTemporalConfig>("UNetSpatioTemporalConditionModel");
}

TEST(NetworkDefaults, ConfigsWithoutAClassKeepOurDefaults) {
  UNetSpatioTemporalConfig options;
  apply_network_config(config::Json::object(), config::visit_of(options), "config.json");
  EXPECT_EQ(options.num_attention_heads, UNetSpatioTemporalConfig().num_attention_heads);
  EXPECT_EQ(options.cross_attention_dim, UNetSpatioTemporalConfig().cross_attention_dim);
}

TEST(NetworkDefaults, KeysWithoutEffectAreCheckedAndKept) {
  AutoencoderKLConfig options;
  const config::VisitFunction visit = config::visit_of(options);
  const config::Json read = {{"_class_name", "AutoencoderKL"}, {"force_upcast", false}};
  apply_network_config(read, visit, "config.json");
  EXPECT_EQ(complete_config(read, visit)["force_upcast"], false);
  EXPECT_EQ(complete_config({}, visit)["force_upcast"], true);
  expect_error<ConfigError>(
      [&] {
        apply_network_config({{"force_upcast", "maybe"}}, visit, "config.json");
      },
      "config.json: force_upcast: expected true or false; found the text \"maybe\"");
}

TEST(NetworkDefaults, KeysThatBeginWithAnUnderscoreAreKnownOrRefused) {
  AutoencoderKLConfig options;
  const auto apply = [&](const char* key) {
    apply_network_config({{key, "x"}}, config::visit_of(options), "config.json");
  };
  for (const char* key : {"_diffusers_version", "_name_or_path", "_commit_hash"}) {
    EXPECT_NO_THROW(apply(key)) << key;
  }
  expect_error<ConfigError>([&] { apply("_clas_name"); },
                            "_clas_name: unknown key; did you mean '_class_name'?");
  expect_error<ConfigError>([&] { apply("_qqqqqqqq"); }, "known: _class_name, _diffusers_version");
}

TEST(SchedulerDefaults, AbsentKeysMeanWhatTheyMeanInPython) {
  for (const char* name :
       {"DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
        "EulerDiscreteScheduler", "HeunDiscreteScheduler"}) {
    const config::Json theirs = defaults_of(name);
    const config::Json empty = {{"_class_name", name}};
    const auto ours = schedule_from_text(empty.dump(), "s.json");
    EXPECT_EQ(ours.num_train_timesteps, theirs["num_train_timesteps"]) << name;
    EXPECT_EQ(ours.beta_start, theirs["beta_start"]) << name;
    EXPECT_EQ(ours.beta_end, theirs["beta_end"]) << name;
    EXPECT_EQ(ours.beta_schedule, theirs["beta_schedule"]) << name;
    EXPECT_EQ(ours.prediction_type, theirs["prediction_type"]) << name;
    EXPECT_EQ(ours.rescale_betas_zero_snr, theirs.value("rescale_betas_zero_snr", false)) << name;
  }
  EXPECT_TRUE(schedule_from_text(R"({"_class_name": "FlowMatchEulerDiscreteScheduler"})", "s.json")
                  .is_flow());
}

TEST(SchedulerDefaults, CompleteFilesOfDiffusersAreRead) {
  for (const char* name :
       {"DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
        "EulerDiscreteScheduler", "HeunDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"}) {
    config::Json file = {{"_class_name", name}, {"_diffusers_version", "0.42.1"}};
    file.update(defaults_of(name));
    EXPECT_NO_THROW(schedule_from_text(file.dump(), "s.json")) << name;
  }
}

TEST(SchedulerDefaults, WhatNoSolverHereDoesIsRefusedByName) {
  struct Change {
    const char* class_name;
    const char* key;
    config::Json value;
  };
  const std::vector<Change> changes = {
      {"DPMSolverMultistepScheduler", "use_karras_sigmas", true},
      {"DPMSolverMultistepScheduler", "use_exponential_sigmas", true},
      {"DPMSolverMultistepScheduler", "use_lu_lambdas", true},
      {"DPMSolverMultistepScheduler", "algorithm_type", "dpmsolver"},
      {"DPMSolverMultistepScheduler", "solver_type", "heun"},
      {"DPMSolverMultistepScheduler", "final_sigmas_type", "sigma_min"},
      {"DPMSolverMultistepScheduler", "euler_at_final", true},
      {"DPMSolverMultistepScheduler", "lambda_min_clipped", -5.1},
      {"UniPCMultistepScheduler", "use_beta_sigmas", true},
      {"UniPCMultistepScheduler", "solver_type", "bh1"},
      {"UniPCMultistepScheduler", "predict_x0", false},
      {"UniPCMultistepScheduler", "disable_corrector", {0}},
      {"EulerDiscreteScheduler", "interpolation_type", "log_linear"},
      {"EulerDiscreteScheduler", "sigma_min", 0.1},
      {"DDPMScheduler", "timestep_spacing", "logarithmic"},
      {"DDPMScheduler", "variance_type", 3},
      {"DDPMScheduler", "clip_sample", "maybe"},
      {"DDPMScheduler", "_clas_name", "DDPMScheduler"},
      {"FlowMatchEulerDiscreteScheduler", "stochastic_sampling", true},
      {"FlowMatchEulerDiscreteScheduler", "shift_terminal", 0.02}};
  for (const Change& change : changes) {
    const config::Json file = {{"_class_name", change.class_name}, {change.key, change.value}};
    expect_error<ConfigError>([&] { schedule_from_text(file.dump(), "s.json"); },
                              std::string("s.json: ") + change.key);
  }
  expect_error<ConfigError>([] { schedule_from_text("{}", "s.json"); },
                            "s.json: _class_name is absent; use one of DDPMScheduler");
  expect_error<DataError>([] { schedule_from_text("[]", "s.json"); }, "expected a JSON object");
}

}  // namespace
}  // namespace echopath::models
