#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/folder_lock.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/training/train.hpp"
#include "toy_data.hpp"
#include "training/export.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kSomeVae = "00000000000000000000000000000000000000000000000000000000000000aa";

/// Networks of tests/fixtures/toy on latents [10, 4, 8, 8] of six patients.
class RunTraining : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() / ("echopath_run_training_" + std::to_string(getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write_latents(const std::string& encoder_hash) const {
    tests::write_toy_latents(latents(), encoder_hash);
  }

  /// Puts a VAE into the model directory and gives its hash.
  std::string write_vae() const {
    models::AutoencoderKLConfig config;
    config.block_out_channels = {8, 8};
    config.norm_num_groups = 4;
    config.layers_per_block = 1;
    const models::AutoencoderKL vae(config);
    save_component(model(), {"vae", "AutoencoderKL", config::dump(config::visit_of(config))}, *vae);
    models::update_model_info(model(), [](models::ModelInfo&) {});
    return models::ModelDirectory::open(model()).encoder_hash();
  }

  TrainRequest request(const std::string& network) const {
    TrainRequest request;
    request.network = network;
    request.config = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy" / (network + ".json");
    request.overrides = {"data.latents=" + latents().string(),
                         "output.model_directory=" + model().string(), "training.steps=2"};
    request.out = run();
    request.device = "cpu";
    return request;
  }

  fs::path latents() const { return root_ / "latents"; }
  fs::path model() const { return root_ / "model"; }
  fs::path run() const { return root_ / "run"; }

  std::vector<std::string> missing(TrainRequest request) const {
    request.dry_run = true;
    return run_training(request).missing;
  }

  fs::path root_;
};

template <class Error>
std::string error_of(const TrainRequest& request) {
  try {
    run_training(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(RunTraining, AnotherVaeInTheModelDirectoryStopsItBeforeTheFirstStep) {
  write_latents(kSomeVae);
  write_vae();
  for (const char* network : {"lidm", "lvdm", "reid"}) {
    EXPECT_THAT(error_of<ConfigError>(request(network)),
                AllOf(HasSubstr("output.model_directory"), HasSubstr("another VAE")))
        << network;
    EXPECT_FALSE(fs::exists(run())) << network;
    EXPECT_THAT(missing(request(network)), ElementsAre(HasSubstr("another VAE"))) << network;
  }
}

TEST_F(RunTraining, RecordsTheVaeOfTheLatents) {
  const std::string hash = write_vae();
  write_latents(hash);
  for (const char* network : {"lidm", "lvdm", "reid"}) {
    TrainRequest training = request(network);
    training.out = run() / network;
    EXPECT_THAT(missing(training), IsEmpty()) << network;
    EXPECT_FALSE(fs::exists(training.out)) << "a dry run writes nothing";
    run_training(training);
    const models::ModelInfo info = models::ModelDirectory::open(model()).info();
    EXPECT_EQ(info.trained_on.at(network).at("encoder_sha256"), hash) << network;
  }
  EXPECT_EQ(models::ModelDirectory::open(model()).info().null_token, 2);
}

TEST_F(RunTraining, OtherClassesInTheModelDirectoryStopIt) {
  write_latents(kSomeVae);
  models::update_model_info(model(), [](models::ModelInfo& info) {
    info.class_names = {"A", "B"};
  });
  EXPECT_THAT(error_of<ConfigError>(request("lidm")),
              HasSubstr("holds a model with the classes A"));
  EXPECT_FALSE(fs::exists(run()));
}

TEST_F(RunTraining, ReplacingAVaeUnderOtherNetworksWarns) {
  testing::internal::CaptureStdout();
  warn_of_dependents(model());
  write_vae();
  warn_of_dependents(model());
  EXPECT_THAT(testing::internal::GetCapturedStdout(), Not(HasSubstr("trained on the latents")));
  write_file(model() / "lidm" / "diffusion_pytorch_model.safetensors", "x");
  write_file(model() / "reid" / "diffusion_pytorch_model.safetensors", "x");
  testing::internal::CaptureStdout();
  warn_of_dependents(model());
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              HasSubstr("holds lidm, reid, trained on the latents of another VAE"));
}

TEST_F(RunTraining, FrozenEncoderKeepsTheLatentsValid) {
  tests::write_toy_videos(root_ / "videos");
  TrainRequest training = request("vae");
  training.overrides = {"data.dataset=" + (root_ / "videos").string(),
                        "output.model_directory=" + model().string(), "training.steps=2"};
  run_training(training);
  const auto before = models::ModelDirectory::open(model());
  const std::string encoder = before.encoder_hash();
  const std::string whole = before.component_hash("vae");
  const double scale = before.info().latent_scaling_factor;

  training.overrides.push_back("freeze_encoder=true");
  training.out = root_ / "decoder";
  EXPECT_THAT(error_of<ConfigError>(training), HasSubstr("--init-from"));
  training.init_from = model();
  run_training(training);
  const auto after = models::ModelDirectory::open(model());
  EXPECT_EQ(after.encoder_hash(), encoder);
  EXPECT_EQ(after.info().latent_scaling_factor, scale);
  EXPECT_NE(after.component_hash("vae"), whole) << "the decoder learns";

  training.overrides.back() = "freeze_encoder=false";
  training.out = root_ / "both";
  run_training(training);
  EXPECT_NE(models::ModelDirectory::open(model()).encoder_hash(), encoder);
}

TEST_F(RunTraining, StartsFromWeightsUnderAnyNameThatAModelDirectoryMayHave) {
  write_latents(kSomeVae);
  TrainRequest training = request("lidm");
  run_training(training);
  const fs::path weights = model() / "lidm/diffusion_pytorch_model.safetensors";
  const auto trained = io::load_safetensors(weights);
  // As diffusers writes with variant="fp16".
  fs::rename(weights, model() / "lidm/diffusion_pytorch_model.fp16.safetensors");
  training.init_from = model();
  training.out = root_ / "next";
  training.overrides.back() = "training.steps=1";
  training.overrides.emplace_back("training.learning_rate=0");
  training.overrides.push_back("output.model_directory=" + (root_ / "other").string());
  run_training(training);
  const auto kept = io::load_safetensors(root_ / "other/lidm/diffusion_pytorch_model.safetensors");
  ASSERT_EQ(kept.size(), trained.size());
  for (const auto& [name, tensor] : trained) EXPECT_TRUE(at::equal(kept.at(name), tensor)) << name;
}

TEST_F(RunTraining, DamagedLatentsAreNamedAndLeftOutWhereAskedFor) {
  for (const char* network : {"lidm", "lvdm", "reid"}) {
    write_latents("");
    write_file(latents() / "Latents/video_0.safetensors", "no latents");
    TrainRequest training = request(network);
    training.out = root_ / network;
    EXPECT_THAT(error_of<DataError>(training), HasSubstr("video_0.safetensors")) << network;
    training.overrides.emplace_back("data.skip_unreadable=true");
    EXPECT_EQ(run_training(training).steps, 2) << network;
    const models::ModelInfo info = models::ModelDirectory::open(model()).info();
    EXPECT_EQ(info.trained_on.at(network).at("videos"), 3) << network;
  }
}

TEST_F(RunTraining, LatentsOfOtherChannelsStopIt) {
  write_latents(kSomeVae);
  TrainRequest training = request("lidm");
  training.overrides.insert(training.overrides.end(),
                            {"model.in_channels=3", "model.out_channels=3"});
  EXPECT_THAT(error_of<ConfigError>(training),
              HasSubstr("model.out_channels is 3, but the latents"));
}

TEST_F(RunTraining, DryRunTellsWhatIsMissing) {
  TrainRequest training = request("lidm");
  EXPECT_THAT(missing(training),
              ElementsAre(AllOf(HasSubstr("data.latents: "), HasSubstr("does not "
                                                                       "exist"))));
  fs::create_directories(latents());
  EXPECT_THAT(missing(training), ElementsAre(HasSubstr("has no FileList.csv")));
  data::write_file_list(latents() / "FileList.csv", {});
  EXPECT_THAT(missing(training), ElementsAre(HasSubstr("data.latents: ")));
  write_latents(kSomeVae);
  EXPECT_THAT(missing(training), IsEmpty());
  training.init_from = root_ / "nowhere";
  EXPECT_THAT(missing(training), ElementsAre(HasSubstr("--init-from: ")));
  training.init_from.clear();
  training.overrides.front() = "data.latents=";
  EXPECT_THAT(missing(training),
              ElementsAre("data.latents is not set; `echopath encode` makes it"));
}

TEST_F(RunTraining, DryRunTellsOfAnAbsentDevice) {
  if (at::hasCUDA()) GTEST_SKIP() << "this machine has a CUDA device";
  write_latents(kSomeVae);
  TrainRequest training = request("lidm");
  training.device = "cuda";
  EXPECT_THAT(missing(training), ElementsAre(HasSubstr("device 'cuda'")));
}

TEST_F(RunTraining, FileInPlaceOfAFolderIsOneClearLine) {
  write_latents(kSomeVae);
  write_file(root_ / "file", "x");
  TrainRequest training = request("lidm");
  for (const fs::path& out : {root_ / "file", root_ / "file" / "below"}) {
    training.out = out;
    EXPECT_EQ(error_of<DataError>(training),
              "run directory '" + out.string() + "' cannot be a folder: '" +
                  (root_ / "file").string() + "' is a file; choose another path");
    EXPECT_THAT(missing(training), ElementsAre(HasSubstr("cannot be a folder")));
  }
  training.out = run();
  training.overrides[1] = "output.model_directory=" + (root_ / "file").string();
  EXPECT_THAT(error_of<DataError>(training), HasSubstr("output.model_directory '"));
  EXPECT_FALSE(fs::exists(run()));
}

TEST_F(RunTraining, FolderThatMayNotBeReadIsOneClearLine) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write_latents(kSomeVae);
  fs::create_directories(run());
  fs::permissions(run(), fs::perms::none);
  EXPECT_THAT(error_of<DataError>(request("lidm")),
              AllOf(HasSubstr("run directory '"), Not(HasSubstr("filesystem error"))));
  fs::permissions(run(), fs::perms::owner_all);
}

TEST_F(RunTraining, ResumeWithoutAConfigTakesTheRunsOwn) {
  write_latents(kSomeVae);
  TrainRequest first = request("lidm");
  first.overrides.emplace_back("training.learning_rate=0.002");
  run_training(first);
  TrainRequest rest;
  rest.network = "lidm";
  rest.out = run();
  rest.device = "cpu";
  rest.resume = true;
  rest.overrides = {"training.steps=3"};
  const TrainReport report = run_training(rest);
  EXPECT_EQ(report.steps, 3);
  EXPECT_EQ(report.config["training"]["learning_rate"], 0.002);
  EXPECT_EQ(report.model_directory, model());
  const config::Json kept = config::read_json((run() / "config.json").string());
  EXPECT_EQ(kept["training"]["steps"], 3);
  EXPECT_EQ(kept, report.config);
}

TEST_F(RunTraining, ResumeWithOtherOptionsIsRefusedByName) {
  write_latents(kSomeVae);
  run_training(request("lidm"));
  const std::string before = read_file(run() / "config.json");
  TrainRequest other = request("lidm");
  other.resume = true;
  other.overrides.insert(other.overrides.end(),
                         {"training.learning_rate=0.5", "training.validate_every=1"});
  EXPECT_THAT(error_of<UsageError>(other),
              AllOf(HasSubstr("training.learning_rate is 0.5, was 0.001"),
                    Not(HasSubstr("validate_every"))));
  EXPECT_EQ(read_file(run() / "config.json"), before);
}

TEST_F(RunTraining, MoreStepsOfACosineAreNotTakenInSilence) {
  write_latents(kSomeVae);
  TrainRequest first = request("lidm");
  first.overrides.emplace_back("training.learning_rate_schedule=cosine");
  run_training(first);
  first.resume = true;
  first.overrides.emplace_back("training.steps=3");
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_training(first).steps, 3);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              HasSubstr("training.steps is 3, was 2; the cosine of the learning rate"));
}

TEST_F(RunTraining, ResumeWithOtherDataIsRefused) {
  write_latents(kSomeVae);
  run_training(request("lidm"));
  TrainRequest rest = request("lidm");
  rest.resume = true;
  rest.overrides.emplace_back("training.steps=3");
  const fs::path list_file = latents() / "FileList.csv";
  const std::string list = read_file(list_file);
  write_file(list_file, list.substr(0, list.rfind('\n', list.size() - 2) + 1));
  EXPECT_THAT(error_of<DataError>(rest),
              AllOf(HasSubstr("the data are not those that the run"), HasSubstr("data.latents")));
  write_file(list_file, list);
  EXPECT_EQ(run_training(rest).steps, 3);
}

TEST_F(RunTraining, OneProgramAtATimeTrainsInARunDirectory) {
  write_latents(kSomeVae);
  run_training(request("lidm"));
  TrainRequest rest = request("lidm");
  rest.resume = true;
  rest.overrides.emplace_back("training.steps=3");
  {
    const FolderLock other(run(), "training");
    EXPECT_THAT(error_of<UsageError>(rest), HasSubstr("another program is training in"));
  }
  EXPECT_EQ(run_training(rest).steps, 3);
}

TEST_F(RunTraining, TheLogFileTellsOfDamageAndOfWhatEndedARun) {
  write_latents(kSomeVae);
  run_training(request("lidm"));
  const fs::path weights = run() / "checkpoints/step-00000002/weights.safetensors";
  write_file(weights, "damaged");
  TrainRequest rest = request("lidm");
  rest.resume = true;
  const std::string error = error_of<DataError>(rest);
  const std::string log = read_file(run() / "log.txt");
  EXPECT_THAT(log, HasSubstr("error " + error));
  EXPECT_THAT(log, HasSubstr("is damaged"));
}

TEST_F(RunTraining, ResumeWhereThereIsNoRunIsRefused) {
  write_latents(kSomeVae);
  TrainRequest training = request("lidm");
  training.resume = true;
  EXPECT_THAT(error_of<UsageError>(training), HasSubstr("holds no run"));
  training.dry_run = true;
  EXPECT_THAT(error_of<UsageError>(training), HasSubstr("holds no run"));
  EXPECT_FALSE(fs::exists(run()));
}

TEST_F(RunTraining, RecordsTheStepsThatWereTrained) {
  write_latents(kSomeVae);
  TrainRequest training = request("lidm");
  training.overrides.insert(training.overrides.end(),
                            {"training.steps=100000", "training.time_limit_minutes=0.01"});
  const TrainReport report = run_training(training);
  EXPECT_LT(report.steps, 100000);
  EXPECT_EQ(models::ModelDirectory::open(model()).info().trained_on.at("lidm").at("steps"),
            report.steps);
}

TEST_F(RunTraining, ResumeOfAnotherNetworksRunSaysWhichItIs) {
  write_latents(kSomeVae);
  run_training(request("lidm"));
  TrainRequest other = request("lvdm");
  other.resume = true;
  EXPECT_THAT(error_of<UsageError>(other),
              AllOf(HasSubstr("holds a run of `train lidm`, not of `train lvdm`")));
}

TEST_F(RunTraining, ADryRunTellsShapesAndEpochsAndTimesStepsButLeavesNothing) {
  write_latents(kSomeVae);
  TrainRequest dry = request("lidm");
  dry.dry_run = true;
  dry.overrides.insert(dry.overrides.end(),
                       {"training.batch_size=8", "training.micro_batch_size=2"});
  dry.processes = 2;
  TrainReport report = run_training(dry);
  const NamedShapes shapes = {{"latents", {2, 4, 8, 8}},
                              {"network input", {2, 4, 8, 8}},
                              {"network output", {2, 4, 8, 8}},
                              {"class token", {2, 1, 8}}};
  EXPECT_EQ(report.shapes, shapes);
  EXPECT_EQ(report.training_items, 4);
  EXPECT_FALSE(report.timing);
  dry.processes = 1;
  dry.time_steps = 2;
  report = run_training(dry);
  EXPECT_THAT(report.missing, IsEmpty());
  ASSERT_TRUE(report.timing);
  EXPECT_EQ(report.timing->steps, 2);
  EXPECT_GT(report.timing->seconds_per_step, 0.0);
  EXPECT_GT(report.timing->data_wait_share, 0.0);
  EXPECT_LT(report.timing->data_wait_share, 1.0);
  EXPECT_DOUBLE_EQ(report.timing->hours_to_go, 2 * report.timing->seconds_per_step / 3600);
  EXPECT_FALSE(fs::exists(run()));
  EXPECT_FALSE(fs::exists(model()));
}

TEST_F(RunTraining, TimingStepsIsForADryRunOnData) {
  TrainRequest timing = request("lidm");
  timing.time_steps = 2;
  EXPECT_THAT(error_of<UsageError>(timing), HasSubstr("--time-steps goes with --dry-run"));
  timing.dry_run = true;
  EXPECT_THAT(error_of<DataError>(timing), HasSubstr("data.latents"));
}

}  // namespace
}  // namespace echopath::training
