// Membership inference by denoising loss where the answer is known: the training videos of an
// overfitted LIDM are found, and two sets of videos that it has not seen are not told apart.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/temporary_directory.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/training/train.hpp"
#include "evaluation/made_latents.hpp"

namespace echopath::evaluation {
namespace {

namespace toy = generation::testing;

// With all of eight members found, the interval of the AUC begins at 0.63 (Clopper and Pearson).
constexpr std::uint32_t kMembers = 8;
constexpr std::uint32_t kStrangers = 24;  // in each of two sets
// The AUC is 0.90 after half of them, and 1 in the end.
constexpr int kSteps = 300;

class DenoisingControlsSlow : public ::testing::Test {
 protected:
  /// A latents directory of one-frame videos of noise, no two alike: `training` ones from number
  /// `first` on, and the strangers that every set is compared with.
  std::string write(const std::string& folder, std::uint32_t first, std::uint32_t training) const {
    std::vector<testing::MadeLatents> videos;
    const auto add = [&](const std::string& split, std::uint32_t begin, std::uint32_t count) {
      for (std::uint32_t i = begin; i < begin + count; ++i) {
        videos.push_back({"heart" + std::to_string(i), split, testing::drawn_latents(i, 1)});
      }
    };
    add("TRAIN", first, training);
    add("VAL", kMembers, kStrangers);
    testing::write_latents(folder_ / folder, videos);
    return (folder_ / folder).string();
  }

  /// A model directory whose LIDM was trained on the TRAIN videos of `latents` until it knows them.
  std::string overfitted_model(const std::string& latents) const {
    torch::set_num_threads(1);
    const fs::path model = folder_ / "model";
    toy::write_toy_model(model, {.with_lvdm = false});
    training::TrainRequest request;
    request.network = "lidm";
    request.config = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy/lidm.json";
    request.out = folder_ / "run";
    request.device = "cpu";
    request.overrides = {"data.latents=" + latents,
                         "output.model_directory=" + model.string(),
                         "model.block_out_channels=[32,64]",
                         "model.norm_num_groups=8",
                         "model.attention_head_dim=8",
                         "training.steps=" + std::to_string(kSteps),
                         "training.batch_size=8",
                         "training.learning_rate=2e-3",
                         "training.log_every=100",
                         "training.validate_every=10000",
                         "training.checkpoint_every=10000"};
    training::run_training(request);
    return model.string();
  }

  /// What the audit of a model infers from its LIDM's losses. Samples play no part in it.
  MembershipInference inferred(const std::string& model, const std::string& real) const {
    PrivacyAuditOptions options;
    options.real = options.synthetic = real;
    options.model = model;
    options.out = (folder_ / "audit").string();
    options.device = "cpu";
    return run_privacy_audit(options).denoising.at("lidm");
  }

  TemporaryDirectory folder_;
};

TEST_F(DenoisingControlsSlow, MembersAreFoundAndStrangersAreNotToldApart) {
  const std::string members = write("members", 0, kMembers);
  const std::string strangers = write("strangers", kMembers + kStrangers, kStrangers);
  const std::string model = overfitted_model(members);
  const MembershipInference of_members = inferred(model, members);
  EXPECT_EQ(of_members.members, 8);
  EXPECT_EQ(of_members.non_members, 24);
  EXPECT_GT(of_members.auc.estimate, 0.9);
  EXPECT_GT(of_members.auc.low, 0.5);
  const MembershipInference of_strangers = inferred(model, strangers);
  EXPECT_EQ(of_strangers.members, 24);
  EXPECT_LT(of_strangers.auc.low, 0.5);
  EXPECT_GT(of_strangers.auc.high, 0.5);
  EXPECT_NEAR(of_strangers.auc.estimate, 0.5, 0.15);
}

}  // namespace
}  // namespace echopath::evaluation
