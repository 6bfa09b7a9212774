#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

json dry_run(const std::string& network, const std::string& config) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"train", network, "--config", config, "--out", folder / "run", "--dry-run", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return json::parse(outcome.out);
}

// The counts are those of diffusers' networks of the same configuration.
TEST(TrainDryRun, ReferenceConfigsHaveThePublishedParameterCounts) {
  EXPECT_EQ(dry_run("lidm", "configs/reference/lidm.json")["parameters"], 74648324);
  EXPECT_EQ(dry_run("lvdm", "configs/reference/lvdm.json")["parameters"], 143830186);
  EXPECT_EQ(dry_run("vae", "configs/reference/vae.json")["parameters"], 62412007);
  EXPECT_EQ(dry_run("lidm", "configs/echonet_synthetic/lidm.json")["parameters"], 73548804);
}

TEST(TrainDryRun, ReportsConfigStepsMemoryAndWhatIsMissing) {
  const json report = dry_run("lidm", "configs/paper/lidm.json");
  EXPECT_EQ(report["steps"], 5000);
  EXPECT_EQ(report["config"]["training"]["batch_size"], 1024);
  EXPECT_EQ(report["config"]["training"]["optimizer"], "adam");
  EXPECT_EQ(report["config"]["class_embedding"]["width"], 64);
  // Weights, gradients, two moments and the average alone take five times four bytes each.
  EXPECT_GT(report["memory_bytes"].get<double>(), 20.0 * 74e6);
  ASSERT_EQ(report["missing"].size(), 1U);
  EXPECT_THAT(report["missing"][0].get<std::string>(), HasSubstr("data.latents"));
}

TEST(TrainDryRun, ShapesAreThoseOfOneProcessesForwardPass) {
  const json lvdm = dry_run("lvdm", "configs/reference/lvdm.json")["shapes"];
  const std::int64_t items = lvdm["latents"][0];
  EXPECT_EQ(lvdm["latents"], (json{items, 64, 4, 14, 14}));
  EXPECT_EQ(lvdm["network input"], (json{items, 64, 8, 16, 16}));
  EXPECT_EQ(lvdm["network output"], (json{items, 64, 4, 16, 16}));
  EXPECT_EQ(lvdm["class token"], (json{items, 1, 1}));
  const json vae = dry_run("vae", "configs/reference/vae.json")["shapes"];
  EXPECT_EQ(vae["reconstructions"], vae["frames"]);
  EXPECT_EQ(vae["latents"][1], 4);
  EXPECT_EQ(vae["latents"][2].get<int>() * 8, vae["frames"][2].get<int>());
  const json reid = dry_run("reid", "configs/reference/reid.json")["shapes"];
  EXPECT_EQ(reid["embeddings"], (json{128, 128}));
}

TEST(TrainDryRun, CountsDecodedVideosBesideTheDevicesMemory) {
  const TemporaryFolder folder;
  ASSERT_EQ(run({"phantom", "--out", folder / "data", "--patients", "4", "--frames", "8", "--split",
                 "50,50,0", "--quiet"})
                .exit_code,
            0);
  const auto bytes = [&](const std::string& data) {
    const Outcome outcome =
        run({"train", "classifier", "--config", "phantom/classifier_resnet50_asd", "--set",
             "data.dataset=" + data, "--out", folder / "run", "--dry-run", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return json::parse(outcome.out)["cache_bytes"].get<double>();
  };
  EXPECT_EQ(bytes(folder / "data"), 4 * 8 * 112 * 112);
  EXPECT_EQ(bytes(folder / "absent"), 1e9);  // its limit, data.cache_gigabytes
}

TEST(TrainDryRun, WritesNothing) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"train", "reid", "--config", "paper/reid", "--out", folder / "run", "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\nparameters  "));
  EXPECT_THAT(outcome.out, HasSubstr("\nsteps       4000\nepoch       as many steps as the data "
                                     "have items, over 128; the data are not here\n"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(TrainDryRun, OverridesWinOverTheConfigAndTheSeedOverBoth) {
  const Outcome outcome = run({"train", "lidm", "--config", "configs/paper/lidm.json", "--set",
                               "training.learning_rate=1e-4", "--set", "training.steps=7", "--seed",
                               "9", "--dry-run", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["config"]["training"]["learning_rate"], 1e-4);
  EXPECT_EQ(report["config"]["training"]["seed"], 9);
  EXPECT_EQ(report["steps"], 7);
}

TEST(TrainVerb, OptionsThatContradictEachOtherStopItBeforeAnyFolderIsMade) {
  const TemporaryFolder folder;
  const auto refuse = [&](std::vector<std::string> arguments) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("model.in_channels is 4, but model.out_channels is 4"));
  };
  refuse({"train", "lvdm", "--set", "model.in_channels=4", "--out", folder / "run"});
  refuse({"train", "lvdm", "--set", "model.in_channels=4", "--out", folder / "run", "--dry-run"});
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(TrainVerb, FileInPlaceOfTheRunFolderIsOneClearLine) {
  const TemporaryFolder folder;
  testing::write_text(folder / "file", "x");
  const Outcome outcome = run({"train", "reid", "--out", folder / "file"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.err, "echopath: error: run directory '" + folder / "file" +
                             "' cannot be a folder: '" + folder / "file" +
                             "' is a file; choose another path\n");
}

TEST(TrainVerb, ResumeNeedsARun) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"train", "lidm", "--resume", "--out", folder / "typo"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("holds no run (no config.json)"));
  EXPECT_FALSE(std::filesystem::exists(folder / "typo"));
}

TEST(TrainVerb, RefusesWhatItDoesNotKnow) {
  const Outcome misspelt = run({"train", "lvdn"});
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("train: unknown network 'lvdn'; did you mean 'lvdm'?"));
}

TEST(TrainVerb, MisspeltOverrideSuggestsTheNearest) {
  const Outcome outcome = run({"train", "lidm", "--set", "training.learning_rat=1", "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "echopath: error: --set: training.learning_rat: unknown key; did you mean "
            "'training.learning_rate'?\n");
}

}  // namespace
}  // namespace echopath::cli
