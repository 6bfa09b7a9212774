#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "cli/run_program.hpp"
#include "echopath/config/options.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

std::string fixture(const std::string& name) {
  return std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/" + name;
}

/// One line on standard error with every part, and exit code 3.
void expect_refused(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(outcome.err.rfind("echopath: error: ", 0), 0U) << outcome.err;
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  for (const std::string& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
}

TEST(ConvertVerb, WritesADiffusersDirectory) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"convert", fixture("convert/checkpoint-7"), folder / "lidm"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("UNet2DConditionModel"));
  EXPECT_THAT(outcome.out, HasSubstr("took the moving average 'unet_ema', not 'unet'"));
  EXPECT_THAT(outcome.out, HasSubstr("wrote " + (folder / "lidm")));
  const config::Json config = config::read_json(folder / "lidm/config.json");
  EXPECT_EQ(config["_class_name"], "UNet2DConditionModel");
  EXPECT_TRUE(fs::exists(folder / "lidm/diffusion_pytorch_model.safetensors"));
}

TEST(ConvertVerb, DryRunPrintsTheMappingAndWritesNothing) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"convert", "--dry-run", fixture("convert/legacy_attention"), folder / "vae"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("(torch.save, zip format)"));
  EXPECT_THAT(outcome.out, HasSubstr("recognised  AutoencoderKL"));
  EXPECT_THAT(outcome.out, HasSubstr("encoder.mid_block.attentions.0.query.weight -> "
                                     "encoder.mid_block.attentions.0.to_q.weight\n"));
  EXPECT_THAT(outcome.out, HasSubstr("missing     none\nleft over   none\n"));
  EXPECT_FALSE(fs::exists(folder / "vae"));
}

TEST(ConvertVerb, DryRunOfAFaultySourcePrintsItsListsAndFails) {
  const TemporaryFolder folder;
  io::TensorMap tensors = io::load_safetensors(
      fixture("convert/checkpoint-7/unet_ema/diffusion_pytorch_model.safetensors"));
  tensors.erase("conv_in.bias");
  tensors.erase("conv_out.bias");
  tensors["surplus"] = at::ones({1});
  io::save_safetensors(folder / "x.safetensors", tensors);
  const std::vector<std::string> arguments = {"convert", "--dry-run", folder / "x.safetensors",
                                              "--config",
                                              fixture("convert/checkpoint-7/unet/config.json")};
  const Outcome outcome = run(arguments);
  EXPECT_THAT(outcome.out, HasSubstr("missing     conv_in.bias, conv_out.bias\n"));
  EXPECT_THAT(outcome.out, HasSubstr("left over   surplus\n"));
  expect_refused(outcome, {"missing: conv_in.bias, conv_out.bias", "not in the network: surplus"});
  std::vector<std::string> as_json = arguments;
  as_json.push_back("--json");
  const config::Json json = config::parse_json(run(as_json).out, "standard output");
  EXPECT_EQ(json["networks"][0]["missing"], config::Json({"conv_in.bias", "conv_out.bias"}));
  EXPECT_EQ(json["networks"][0]["keys"]["conv_in.weight"], "conv_in.weight");
}

TEST(ConvertVerb, DryRunEndsWithTheExitCodeOfTheConversion) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "there");
  const std::vector<std::pair<std::string, std::string>> faulty = {
      {fixture("data/latents_with_nan.pt"), folder / "x.safetensors"},
      {fixture("data/latents.pt"), folder / "x"},
      {fixture("convert/sharded"), folder / "there"}};
  for (const auto& [source, destination] : faulty) {
    const Outcome dry = run({"convert", "--dry-run", source, destination});
    const Outcome done = run({"convert", source, destination});
    EXPECT_NE(dry.exit_code, 0) << source;
    EXPECT_EQ(dry.exit_code, done.exit_code) << source;
    EXPECT_EQ(dry.err, done.err) << source;
    EXPECT_THAT(dry.out, HasSubstr("recognised")) << source;
  }
}

TEST(ConvertVerb, AFaultyConfigEndsAsItDoesInForward) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "model");
  fs::copy(fixture("convert/legacy_attention"), folder.path() / "model/vae");
  io::save_safetensors(folder / "in.safetensors", {{"z", at::zeros({1, 2, 4, 4})}});
  const auto write_config = [&](const std::string& text) {
    std::ofstream(folder / "model/vae/config.json") << text;
  };
  for (const std::string text :
       {"{", "[]", R"({"_class_name": "AutoencoderTiny"})", R"({"_class_name": 5})",
        R"({"_class_name": "AutoencoderKL", "norm_num_groups": 12})",
        R"({"_class_name": "AutoencoderKL", "act_fn": "relu"})"}) {
    write_config(text);
    const Outcome converted = run({"convert", folder / "model/vae", folder / "out"});
    const Outcome forwarded =
        run({"forward", "--model", folder / "model", "--network", "vae", "--decode", "--inputs",
             folder / "in.safetensors", "--out", folder / "out.safetensors"});
    EXPECT_NE(converted.exit_code, 0) << text;
    EXPECT_EQ(converted.exit_code, forwarded.exit_code) << text << forwarded.err;
    EXPECT_THAT(converted.err, HasSubstr("model/vae/config.json")) << text;
    EXPECT_THAT(forwarded.err, HasSubstr("model/vae/config.json")) << text;
  }
}

TEST(ConvertVerb, TheDestinationIsNeededToWrite) {
  const Outcome outcome = run({"convert", fixture("convert/sharded")});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("the destination is missing"));
}

TEST(ConvertVerb, HostileFilesAreRefusedInOneLineAndNothingIsWritten) {
  const TemporaryFolder folder;
  expect_refused(run({"convert", fixture("pt/evil_stream.pt"), folder / "out"}),
                 {"evil_stream.pt", "'posix.system'"});
  expect_refused(run({"convert", fixture("convert/bomb.pt"), folder / "out"}),
                 {"bomb.pt", "is compressed or encrypted"});
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ConvertVerb, AFullDiskIsSaidOfTheFinalNameAndLeavesNothing) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"convert", fixture("convert/checkpoint-7"), folder / "lidm"},
                              "trap '' XFSZ; ulimit -f 4;");
  expect_refused(outcome, {folder / "lidm/diffusion_pytorch_model.safetensors"});
  EXPECT_THAT(outcome.err, ::testing::Not(HasSubstr(".tmp-")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ConvertVerb, NotFiniteWeightsNeedTheOption) {
  const TemporaryFolder folder;
  fs::copy(fixture("convert/checkpoint-7/unet_ema"), folder.path() / "unet");
  const std::string weights = folder / "unet/diffusion_pytorch_model.safetensors";
  io::TensorMap tensors = io::load_safetensors(weights);
  tensors["conv_in.bias"].fill_(std::numeric_limits<float>::infinity());
  io::save_safetensors(weights, tensors);
  expect_refused(run({"convert", folder / "unet", folder / "out"}),
                 {"not finite in 'conv_in.bias'"});
  EXPECT_EQ(run({"convert", "--allow-nonfinite", folder / "unet", folder / "out"}).exit_code, 0);
}

}  // namespace
}  // namespace echopath::cli
