// Golden tests of `echopath encode` and `echopath decode`, and of a full disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using generation::testing::shared_toy_model;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

class CodecVerbs : public ::testing::Test {
 protected:
  /// Two phantom studies of three frames in data/.
  void SetUp() override {
    ASSERT_EQ(run({"phantom", "--patients", "2", "--frames", "3", "--quiet", "--out", in("data")})
                  .exit_code,
              0);
  }

  std::string in(const std::string& name) const { return folder_ / name; }

  Outcome encode(const std::string& out = "latents", const std::string& prefix = "") const {
    return run({"encode", "--data", in("data"), "--model", shared_toy_model().string(), "--device",
                "cpu", "--quiet", "--out", in(out)},
               prefix);
  }
  Outcome decode(const std::vector<std::string>& more, const std::string& prefix = "") const {
    std::vector<std::string> arguments = {
        "decode",   "--latents", in("latents"), "--model", shared_toy_model().string(),
        "--device", "cpu",       "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, prefix);
  }

  TemporaryFolder folder_;
};

TEST_F(CodecVerbs, EncodeWritesTheVaesPosteriorAndGoesOnWhereItWas) {
  const Outcome outcome = encode();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, "encoded 2 videos (6 frames), 0 were there already; latents in " +
                             in("latents") + "\n");
  const torch::NoGradGuard no_grad;
  const models::ModelDirectory model = models::ModelDirectory::open(shared_toy_model());
  models::AutoencoderKL vae = model.load_vae(at::kCPU);
  const data::Dataset dataset = data::Dataset::open(in("data"));
  const data::LatentDataset latents = data::LatentDataset::open(in("latents"));
  EXPECT_EQ(latents.encoder_hash(), model.encoder_hash());
  EXPECT_DOUBLE_EQ(latents.scaling_factor(), model.info().latent_scaling_factor);
  ASSERT_EQ(latents.studies().size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(latents.studies()[i].class_name, dataset.studies()[i].class_name);
    io::Frames frames = dataset.load(dataset.studies()[i]);
    const at::Tensor images =
        torch::from_blob(frames.pixels.data(), {3, 1, 112, 112}, at::kByte).to(at::kFloat) / 127.5 -
        1.0;
    const auto posterior = vae->encode(images.expand({3, 3, 112, 112}));
    const data::LatentVideo written = latents.load(latents.studies()[i]);
    EXPECT_TRUE(at::allclose(written.mean, posterior.mean, 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(written.logvar, posterior.logvar, 1e-4, 1e-5));
  }
  EXPECT_EQ(encode().out, "encoded 0 videos (0 frames), 2 were there already; latents in " +
                              in("latents") + "\n");
}

TEST_F(CodecVerbs, DecodeWritesTheVaesPictures) {
  ASSERT_EQ(encode().exit_code, 0);
  const Outcome outcome = decode({"--out", in("decoded")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "decoded 2 videos (6 frames), 0 were there already; dataset in " +
                             in("decoded") + "\n");
  const torch::NoGradGuard no_grad;
  models::AutoencoderKL vae = models::ModelDirectory::open(shared_toy_model()).load_vae(at::kCPU);
  const data::LatentDataset latents = data::LatentDataset::open(in("latents"));
  const data::Dataset decoded = data::Dataset::open(in("decoded"));
  ASSERT_EQ(decoded.studies().size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const data::Study& study = decoded.studies()[i];
    EXPECT_EQ(study.file_name, latents.studies()[i].stem() + ".avi");
    EXPECT_EQ(study.split, latents.studies()[i].split);
    io::Frames frames = decoded.load(study);
    ASSERT_EQ(frames.count, 3);
    const at::Tensor written =
        torch::from_blob(frames.pixels.data(), {3, 112, 112}, at::kByte).to(at::kFloat);
    const at::Tensor pictures = vae->decode(latents.load(latents.studies()[i]).mean).mean(1);
    const at::Tensor expected = ((pictures + 1.0) * 127.5).clamp(0, 255);
    EXPECT_LE((written - expected).abs().max().item<float>(), 0.51F);
  }
  EXPECT_EQ(
      decode({"--out", in("decoded")}).out,
      "decoded 0 videos (0 frames), 2 were there already; dataset in " + in("decoded") + "\n");
}

TEST_F(CodecVerbs, DecodeMakesMp4AndSaysSoInJson) {
  ASSERT_EQ(encode().exit_code, 0);
  const Outcome outcome = decode({"--out", in("decoded"), "--codec", "h264", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out),
            nlohmann::json({{"out", in("decoded")}, {"videos", 2}, {"skipped", 0}, {"frames", 6}}));
  EXPECT_TRUE(fs::exists(in("decoded/Videos/ASD_0001.mp4")));
}

TEST_F(CodecVerbs, StoppedHalfWayTheyLeaveNoPartOfAFile) {
  EXPECT_EQ(encode("small", "trap '' XFSZ; ulimit -f 8;").exit_code, 3);
  EXPECT_FALSE(fs::exists(in("small")));
  ASSERT_EQ(encode().exit_code, 0);
  for (const char* codec : {"ffv1", "h264"}) {
    const Outcome stopped =
        decode({"--out", in(codec), "--codec", codec}, "trap '' XFSZ; ulimit -f 4;");
    EXPECT_EQ(stopped.exit_code, 3) << stopped.err;
    EXPECT_THAT(stopped.err,
                AllOf(HasSubstr(in(codec) + "/Videos/ASD_0001."), Not(HasSubstr(".tmp-"))));
    EXPECT_FALSE(fs::exists(in(codec)));
    EXPECT_EQ(decode({"--out", in(codec), "--codec", codec}).exit_code, 0);
  }
}

TEST_F(CodecVerbs, DecodeIntoAnotherDatasetIsAUsageError) {
  ASSERT_EQ(encode().exit_code, 0);
  const Outcome outcome = decode({"--out", in("data")});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(in("data/Videos/ASD_0001.avi")),
                                 HasSubstr("which decode did not make")));
}

/// Runs the program with a file system of 16 KiB over `folder`; needs a kernel that lets users make
/// one.
std::string small_disk(const std::string& folder) {
  return "unshare -rm sh -c 'mount -t tmpfs -o size=16k tmpfs " + folder +
         " && exec \"$0\" \"$@\"'";
}

TEST_F(CodecVerbs, AFullDiskIsCalledSoWithTheFinalNameAndTheRemedy) {
  fs::create_directories(in("full"));
  if (std::system(("exec 2>/dev/null; " + small_disk(in("full")) + " true").c_str()) != 0) {
    GTEST_SKIP() << "no small file system can be mounted here";
  }
  ASSERT_EQ(encode().exit_code, 0);
  const std::string disk = small_disk(in("full"));
  const std::string remedy = "No space left on device; the disk is full: free some space";
  const Outcome runs[] = {
      encode("full/latents", disk),
      decode({"--out", in("full/decoded")}, disk),
      decode({"--out", in("full/mp4"), "--codec", "h264"}, disk),
      run({"phantom", "--quiet", "--out", in("full/p")}, disk),
      run({"phantom", "--quiet", "--layout", "cardiacnet", "--out", in("full/n")}, disk),
      run({"import", in("data"), "--quiet", "--out", in("full/i")}, disk)};
  for (const Outcome& outcome : runs) {
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_THAT(testing::last_line(outcome.err),
                AllOf(HasSubstr("'" + in("full/")), HasSubstr(remedy), Not(HasSubstr(".tmp-"))));
  }
}

}  // namespace
}  // namespace echopath::cli
