#include "echopath/models/model_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/scheduler_config.hpp"
#include "echopath/models/weights.hpp"

namespace echopath::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

UNet2DConditionConfig tiny_lidm() {
  UNet2DConditionConfig config;
  config.block_out_channels = {8, 16};
  config.down_block_types = {"AttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "AttnUpBlock2D"};
  config.layers_per_block = {1};
  config.norm_num_groups = 4;
  config.attention_head_dim = {4};
  config.cross_attention_dim = {6};
  return config;
}

UNetSpatioTemporalConfig tiny_lvdm() {
  UNetSpatioTemporalConfig config;
  config.block_out_channels = {32, 32};
  config.down_block_types = {"CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"};
  config.up_block_types = {"UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"};
  config.layers_per_block = {1};
  config.num_attention_heads = {2};
  config.cross_attention_dim = {6};
  return config;
}

AutoencoderKLConfig tiny_vae() {
  AutoencoderKLConfig config;
  config.block_out_channels = {8, 8};
  config.layers_per_block = 1;
  config.norm_num_groups = 4;
  return config;
}

template <class Config>
config::Json json_of(Config config) {
  return config::dump(config::visit_of(config));
}

class ModelDirectoryTest : public ::testing::Test {
 protected:
  ModelDirectoryTest() {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~ModelDirectoryTest() override { fs::remove_all(path_); }

  void save_lidm() {
    const auto lidm = make_latent_image_model(tiny_lidm());
    save_component(path_, {"lidm", lidm->class_name(), lidm->config_json()}, lidm->module());
  }

  void write_info() {
    update_model_info(path_, [](ModelInfo& info) {
      info.class_names = {"ASD", "Non-ASD", "Non-PAH", "PAH"};
      info.null_token = 4;
      info.latent_shape = {4, 14, 14};
      info.trained_on["lidm"] = {{"data", "phantom"}, {"steps", 12}};
    });
  }

  fs::path path_ = fs::path(::testing::TempDir()) / ("model_" + std::to_string(::getpid()));
};

TEST_F(ModelDirectoryTest, EveryNetworkComesBackAsItWasSaved) {
  torch::manual_seed(3);
  AutoencoderKL vae(tiny_vae());
  UNetSpatioTemporalConditionModel lvdm(tiny_lvdm());
  const auto lidm = make_latent_image_model(tiny_lidm());
  save_component(path_, {"vae", "AutoencoderKL", json_of(vae->config())}, *vae);
  save_component(path_, {"lvdm", "UNetSpatioTemporalConditionModel", json_of(lvdm->config())},
                 *lvdm);
  save_component(path_, {"lidm", lidm->class_name(), lidm->config_json()}, lidm->module());
  const torch::NoGradGuard no_grad;
  const ModelDirectory directory = ModelDirectory::open(path_);
  const torch::Tensor image = torch::rand({1, 3, 8, 8});
  EXPECT_TRUE(at::equal(directory.load_vae(at::kCPU)->encode(image).mean, vae->encode(image).mean));
  const torch::Tensor sample = torch::rand({2, 4, 4, 4});
  const torch::Tensor time = torch::tensor({5, 900});
  const torch::Tensor context = torch::rand({2, 1, 6});
  EXPECT_TRUE(at::equal(directory.load_lidm(at::kCPU)->predict(sample, time, context),
                        lidm->predict(sample, time, context)));
  const torch::Tensor clip = torch::rand({2, 3, 8, 4, 4});
  const torch::Tensor ids = torch::zeros({2, 1});
  EXPECT_TRUE(at::equal(directory.load_lvdm(at::kCPU)->forward(clip, time, context, ids),
                        lvdm->forward(clip, time, context, ids)));
  EXPECT_FALSE(directory.load_vae(at::kCPU)->is_training());
}

TEST_F(ModelDirectoryTest, TheKindOfLidmComesFromItsConfig) {
  UNet2DConfig config;
  config.block_out_channels = {8, 16};
  config.down_block_types = {"DownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "UpBlock2D"};
  config.layers_per_block = 1;
  config.norm_num_groups = 4;
  const auto lidm = make_latent_image_model(config);
  save_component(path_, {"lidm", lidm->class_name(), lidm->config_json()}, lidm->module());
  const auto loaded = ModelDirectory::open(path_).load_lidm(at::kCPU);
  EXPECT_EQ(loaded->class_name(), "UNet2DModel");
  EXPECT_FALSE(loaded->conditional());
  EXPECT_FALSE(ModelDirectory::open(path_).lidm_is_conditional());
  save_lidm();
  EXPECT_TRUE(ModelDirectory::open(path_).lidm_is_conditional());
}

TEST_F(ModelDirectoryTest, InfoCarriesHashesOfTheWeightsPresent) {
  save_lidm();
  write_info();
  const ModelDirectory directory = ModelDirectory::open(path_);
  const ModelInfo& info = directory.info();
  EXPECT_EQ(info.class_names[3], "PAH");
  EXPECT_EQ(info.null_token, 4);
  EXPECT_EQ(info.latent_shape, (std::vector<std::int64_t>{4, 14, 14}));
  EXPECT_EQ(info.trained_on.at("lidm")["steps"], 12);
  ASSERT_EQ(info.hashes.size(), 1U);
  EXPECT_EQ(info.hashes.at("lidm"), directory.component_hash("lidm"));
  EXPECT_EQ(info.hashes.at("lidm"),
            sha256_file(path_ / "lidm" / "diffusion_pytorch_model.safetensors"));
}

TEST_F(ModelDirectoryTest, ShardsCountAsANetworkAndTheirHashFollowsEachOfThem) {
  const fs::path shards = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/convert/sharded";
  fs::copy(shards, path_ / "lidm");
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_TRUE(directory.has("lidm"));
  EXPECT_EQ(directory.load_lidm(at::kCPU)->class_name(), "UNet2DModel");
  const std::string hash = directory.component_hash("lidm");
  for (const char* number : {"1", "4"}) {
    const std::string shard =
        std::string("diffusion_pytorch_model-0000") + number + "-of-00004.safetensors";
    io::TensorMap tensors = io::load_safetensors(shards / shard);
    tensors.begin()->second.view(-1)[0] += 1.0;
    io::save_safetensors(path_ / "lidm" / shard, tensors);
    EXPECT_NE(directory.component_hash("lidm"), hash) << shard;
    fs::copy_file(shards / shard, path_ / "lidm" / shard, fs::copy_options::overwrite_existing);
    EXPECT_EQ(directory.component_hash("lidm"), hash) << shard;
  }
}

TEST_F(ModelDirectoryTest, ANetworkSavedOverShardsIsTheOneThatIsRead) {
  fs::copy(fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/convert/sharded", path_ / "lidm");
  save_lidm();
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_EQ(directory.load_lidm(at::kCPU)->class_name(), "UNet2DConditionModel");
  EXPECT_EQ(directory.component_hash("lidm"),
            sha256_file(path_ / "lidm" / "diffusion_pytorch_model.safetensors"));
}

TEST_F(ModelDirectoryTest, WhatElseLiesInANetworksFolderIsNoNetwork) {
  save_lidm();
  fs::create_directories(path_ / "reid");
  io::save_safetensors(path_ / "reid" / "train_embeddings.safetensors",
                       {{"embeddings", torch::zeros({2, 3})}});
  EXPECT_FALSE(ModelDirectory::open(path_).has("reid"));
}

TEST_F(ModelDirectoryTest, ClassLabelsAreLookedUpByName) {
  save_lidm();
  write_info();
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_EQ(directory.info().label("Non-PAH"), 2);
  EXPECT_THAT(error_of([&] { directory.info().label("NonPAH"); }),
              AllOf(HasSubstr("ASD, Non-ASD, Non-PAH, PAH"), HasSubstr("did you mean Non-PAH")));
}

TEST_F(ModelDirectoryTest, EachNetworkHasItsOwnClassEmbedding) {
  ClassEmbedding lidm(ClassEmbeddingConfig{4, 6, "learned"});
  ClassEmbedding lvdm(ClassEmbeddingConfig{4, 1, "scalar"});
  save_class_embedding(path_, "lidm", lidm);
  save_class_embedding(path_, "lvdm", lvdm);
  const ModelDirectory directory = ModelDirectory::open(path_);
  const torch::Tensor labels = torch::tensor({1, 4});
  EXPECT_TRUE(at::equal(directory.load_class_embedding("lidm", at::kCPU)->forward(labels),
                        lidm->forward(labels)));
  EXPECT_EQ(directory.load_class_embedding("lvdm", at::kCPU)->config().mode, "scalar");
}

TEST_F(ModelDirectoryTest, ScheduleComesBackAndReadsDiffusersFiles) {
  diffusion::NoiseScheduleOptions options;
  options.beta_end = 0.015;
  options.prediction_type = "epsilon";
  save_schedule(path_, options);
  const auto read = ModelDirectory::open(path_).schedule();
  EXPECT_EQ(read.beta_end, 0.015);
  EXPECT_EQ(read.prediction_type, "epsilon");
  write_file(path_ / "scheduler" / "scheduler_config.json",
             R"({"_class_name": "DDPMScheduler", "_diffusers_version": "0.27.2",
                 "beta_end": 0.02, "beta_schedule": "linear", "beta_start": 0.0001,
                 "clip_sample": true, "clip_sample_range": 4.0,
                 "dynamic_thresholding_ratio": 0.995, "num_train_timesteps": 1000,
                 "prediction_type": "v_prediction", "rescale_betas_zero_snr": false,
                 "sample_max_value": 1.0, "steps_offset": 0, "thresholding": false,
                 "timestep_spacing": "leading", "trained_betas": null,
                 "variance_type": "fixed_small"})");
  EXPECT_EQ(ModelDirectory::open(path_).schedule().prediction_type, "v_prediction");
}

TEST_F(ModelDirectoryTest, AFlowIsWrittenAsTheSchedulerThatPythonHasForIt) {
  diffusion::NoiseScheduleOptions options;
  options.prediction_type = "flow_prediction";
  options.num_train_timesteps = 500;
  save_schedule(path_, options);
  const fs::path file = path_ / "scheduler" / "scheduler_config.json";
  EXPECT_EQ(config::read_json(file.string())["_class_name"], "FlowMatchEulerDiscreteScheduler");
  const auto read = ModelDirectory::open(path_).schedule();
  EXPECT_TRUE(read.is_flow());
  EXPECT_EQ(read.num_train_timesteps, 500);
}

TEST(SchedulerConfig, ReadsTheFilesOfOtherSolvers) {
  const auto read = [](const char* text) { return schedule_from_text(text, "s.json"); };
  const auto unipc = read(R"({"_class_name": "UniPCMultistepScheduler", "beta_end": 0.015,
      "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample", "solver_type": "bh2",
      "disable_corrector": [], "predict_x0": true, "use_karras_sigmas": false, "solver_p": null})");
  EXPECT_EQ(unipc.beta_schedule, "squaredcos_cap_v2");
  EXPECT_EQ(unipc.prediction_type, "sample");
  EXPECT_TRUE(read(R"({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true,
                       "lambda_min_clipped": -Infinity,
                       "prediction_type": "flow_prediction", "flow_shift": 3.0})")
                  .is_flow());
  EXPECT_TRUE(
      read(R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})").is_flow());
}

TEST(SchedulerConfig, RefusesWhatItDoesNotKnowByName) {
  const auto error = [](const char* text) {
    return error_of([&] { schedule_from_text(text, "s.json"); });
  };
  EXPECT_THAT(error(R"({"_class_name": "LCMScheduler"})"),
              AllOf(HasSubstr("s.json"), HasSubstr("LCMScheduler"), HasSubstr("DDIMScheduler")));
  const auto error_with = [&](const std::string& member) {
    return error((R"({"_class_name": "EulerDiscreteScheduler", )" + member + "}").c_str());
  };
  EXPECT_THAT(error_with(R"("beta_schedule": "laplace")"), HasSubstr("laplace"));
  EXPECT_THAT(error_with(R"("prediction_type": "score")"), HasSubstr("score"));
  EXPECT_THAT(error_with(R"("timestep_type": "continuous")"), HasSubstr("timestep_type"));
  EXPECT_THAT(error_with(R"("use_flow_sigmas": true)"), HasSubstr("use_flow_sigmas"));
  EXPECT_THAT(error_with(R"("prediction_type": "flow_prediction")"), HasSubstr("use_flow_sigmas"));
  EXPECT_THAT(error_with(R"("beta_sart": 0.1)"), HasSubstr("beta_start"));
  EXPECT_THROW(schedule_from_text(R"({"beta_start": -Infinity})", "s.json"), DataError);
}

TEST_F(ModelDirectoryTest, AMissingPartIsNamedWithItsRemedy) {
  save_lidm();
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_TRUE(directory.has("lidm"));
  EXPECT_FALSE(directory.has("vae"));
  EXPECT_THAT(
      error_of([&] { directory.load_vae(at::kCPU); }),
      AllOf(HasSubstr("vae/diffusion_pytorch_model.safetensors"), HasSubstr("echopath train vae")));
  EXPECT_THAT(error_of([&] { directory.info(); }), HasSubstr("echopath.json"));
}

TEST_F(ModelDirectoryTest, AVariantIsReadWhereThePlainWeightsAreAbsent) {
  save_lidm();
  const std::string plain = "diffusion_pytorch_model.safetensors";
  fs::rename(path_ / "lidm" / plain, path_ / "lidm/diffusion_pytorch_model.fp16.safetensors");
  EXPECT_TRUE(ModelDirectory::open(path_).has("lidm"));
  EXPECT_NO_THROW(ModelDirectory::open(path_).load_lidm(at::kCPU));
}

TEST_F(ModelDirectoryTest, AConfigWithoutWeightsThatAreRecognisedIsSaidSo) {
  save_lidm();
  const std::string plain = "diffusion_pytorch_model.safetensors";
  fs::rename(path_ / "lidm" / plain, path_ / "lidm/weights.safetensors");
  const std::string expected =
      "lidm' has a config.json but no weights that are recognised: one file or index of shards "
      "named diffusion_pytorch_model, model or pytorch_model";
  EXPECT_THAT(error_of([&] { ModelDirectory::open(path_).load_lidm(at::kCPU); }),
              HasSubstr(expected));
}

TEST_F(ModelDirectoryTest, FaultsOfAConfigNameItsFile) {
  save_lidm();
  const fs::path file = path_ / "lidm/config.json";
  config::Json json = config::read_json(file.string());
  const auto error_with = [&](const char* key, const config::Json& value) {
    config::Json changed = json;
    changed[key] = value;
    write_file(file, changed.dump());
    return error_of([&] { ModelDirectory::open(path_).load_lidm(at::kCPU); });
  };
  EXPECT_THAT(error_with("norm_num_groups", 3),
              HasSubstr("lidm/config.json: UNet2DConditionModel: block_out_channels has 8"));
  EXPECT_THAT(error_with("_class_name", 5), HasSubstr("lidm/config.json: _class_name is 5"));
}

TEST_F(ModelDirectoryTest, AnotherFolderIsNoModelDirectory) {
  EXPECT_THAT(error_of([&] { ModelDirectory::open(path_); }), HasSubstr("is no model directory"));
  EXPECT_THROW(ModelDirectory::open(path_ / "absent"), DataError);
}

TEST_F(ModelDirectoryTest, DamagedInfoIsRefusedByKey) {
  save_lidm();
  write_info();
  const fs::path file = path_ / "echopath.json";
  const auto with = [&](const char* key, const config::Json& value) {
    config::Json json = config::read_json(file.string());
    json[key] = value;
    return error_of([&] { ModelInfo::from_json(json, "echopath.json"); });
  };
  EXPECT_THAT(with("class_names", 3), HasSubstr("'class_names'"));
  EXPECT_THAT(with("latent_scaling_factor", -1.0), HasSubstr("'latent_scaling_factor'"));
  EXPECT_THAT(with("context_frames", 64), HasSubstr("'context_frames'"));
  EXPECT_THAT(with("held_frame", "none"), HasSubstr("last_given and heart_frame are known"));
  EXPECT_THAT(with("noise_correlation", 1.0), HasSubstr("'noise_correlation'"));
  EXPECT_THAT(with("format_version", 2), HasSubstr("'format_version'"));
  EXPECT_THAT(with("latent_shape", {4, 14}), HasSubstr("'latent_shape'"));
  write_file(file, "{ not json");
  EXPECT_THROW(ModelDirectory::open(path_), DataError);
}

TEST_F(ModelDirectoryTest, InfoOfEarlierVersionsHoldsTheLastGivenFrameAndFramesShareNoNoise) {
  save_lidm();
  write_info();
  config::Json json = config::read_json((path_ / "echopath.json").string());
  json["held_frame"] = "heart_frame";
  EXPECT_EQ(ModelInfo::from_json(json, "echopath.json").held_frame, "heart_frame");
  json["noise_correlation"] = 0.5;
  EXPECT_EQ(ModelInfo::from_json(json, "echopath.json").noise_correlation, 0.5);
  json.erase("held_frame");
  json.erase("noise_correlation");
  EXPECT_EQ(ModelInfo::from_json(json, "echopath.json").noise_correlation, 0.0);
  EXPECT_EQ(ModelInfo::from_json(json, "echopath.json").held_frame, "last_given");
}

TEST_F(ModelDirectoryTest, AConfigOfAnotherNetworkIsRefused) {
  save_lidm();
  fs::create_directories(path_ / "vae");
  fs::copy(path_ / "lidm" / "config.json", path_ / "vae" / "config.json");
  fs::copy(path_ / "lidm" / "diffusion_pytorch_model.safetensors",
           path_ / "vae" / "diffusion_pytorch_model.safetensors");
  EXPECT_THAT(error_of([&] { ModelDirectory::open(path_).load_vae(at::kCPU); }),
              AllOf(HasSubstr("UNet2DConditionModel"), HasSubstr("AutoencoderKL")));
}

TEST(NetworkConfigs, ValuesThatDoNotGoTogetherAreRefusedByName) {
  UNetSpatioTemporalConfig lvdm = tiny_lvdm();
  lvdm.block_out_channels = {48, 96};
  EXPECT_THAT(error_of([&] { UNetSpatioTemporalConditionModel network(lvdm); }),
              AllOf(HasSubstr("block_out_channels has 48"), HasSubstr("32")));
  UNet2DConditionConfig lidm = tiny_lidm();
  lidm.attention_head_dim = {3};
  EXPECT_THAT(error_of([&] { UNet2DConditionModel network(lidm); }),
              HasSubstr("attention_head_dim = 3"));
  lidm = tiny_lidm();
  lidm.down_block_types = {"DownBlock2D"};
  EXPECT_THAT(error_of([&] { UNet2DConditionModel network(lidm); }),
              HasSubstr("down_block_types has 1 entries"));
  lidm = tiny_lidm();
  lidm.up_block_types[1] = "KUpBlock2D";
  EXPECT_THAT(error_of([&] { UNet2DConditionModel network(lidm); }),
              AllOf(HasSubstr("KUpBlock2D"), HasSubstr("AttnUpBlock2D")));
  lidm = tiny_lidm();
  lidm.layers_per_block = {1, 2, 3};
  EXPECT_THAT(error_of([&] { UNet2DConditionModel network(lidm); }),
              HasSubstr("layers_per_block has 3 entries"));
  AutoencoderKLConfig vae = tiny_vae();
  vae.norm_num_groups = 3;
  EXPECT_THAT(error_of([&] { AutoencoderKL network(vae); }), HasSubstr("norm_num_groups = 3"));
}

TEST(NetworkConfigs, UnsupportedDiffusersValuesAreRefusedByName) {
  UNet2DConditionConfig lidm;
  const config::Json json = {{"time_embedding_type", "fourier"}};
  EXPECT_THAT(error_of([&] { config::apply(json, config::visit_of(lidm), "config.json"); }),
              HasSubstr("time_embedding_type"));
}

TEST(NetworkConfigs, ASampleThatDoesNotDivideIsRefusedWithTheMultiple) {
  UNet2DConditionConfig config = tiny_lidm();
  config.up_block_types = {"AttnUpBlock2D", "AttnUpBlock2D"};
  const auto lidm = make_latent_image_model(config);
  EXPECT_THAT(
      error_of([&] {
        lidm->predict(torch::rand({1, 4, 7, 8}), torch::tensor({1}), torch::rand({1, 1, 6}));
      }),
      AllOf(HasSubstr("7x8"), HasSubstr("multiples of 2")));
}

}  // namespace
}  // namespace echopath::models
