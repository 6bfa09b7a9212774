#include "echopath/generation/privacy_gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/generation/heart_sampler.hpp"
#include "echopath/models/reid.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

at::Tensor candidate(std::uint32_t attempt) {
  return normal_tensor({4, 14, 14}, {9, Stream::kHeartFrame, attempt, 0});
}

models::ReIdNet network() {
  torch::manual_seed(3);
  models::ReIdNet reid = testing::toy_reid();
  reid->eval();
  return reid;
}

PrivacyGate gate_with(double tau) {
  models::ReIdThreshold threshold;
  threshold.tau = tau;
  return PrivacyGate(network(), normal_tensor({6, 8}, {4, Stream::kDataset, 0, 0}), threshold);
}

TEST(PrivacyGate, KnowsItsTrainingFramesAtAnyScale) {
  const at::NoGradGuard no_grad;
  const at::Tensor known = candidate(0);
  const at::Tensor embeddings =
      network()->embed(models::normalise_per_frame(at::stack({candidate(7), known})));
  const PrivacyGate gate(network(), embeddings, {});
  EXPECT_NEAR(gate.similarity(known), 1.0, 1e-5);
  EXPECT_NEAR(gate.similarity(known * 0.18215), 1.0, 1e-5);
  EXPECT_LT(gate.similarity(candidate(1)), 0.99999);
}

TEST(PrivacyGate, PassesStrictlyBelowTau) {
  const PrivacyGate gate = gate_with(0.5);
  EXPECT_TRUE(gate.passes(0.4999));
  EXPECT_FALSE(gate.passes(0.5));
}

TEST(HeartFrameDraw, CountsTheRefusedCandidates) {
  std::vector<double> similarities;
  for (std::uint32_t i = 0; i < 6; ++i)
    similarities.push_back(gate_with(1).similarity(candidate(i)));
  // The least similar of six passes and nothing before it does.
  const auto least = std::min_element(similarities.begin(), similarities.end());
  const double second = [&] {
    std::vector<double> sorted = similarities;
    std::sort(sorted.begin(), sorted.end());
    return sorted[1];
  }();
  const PrivacyGate gate = gate_with((*least + second) / 2);
  const HeartFrame heart = draw_heart_frame(candidate, &gate, 10, false);
  EXPECT_EQ(heart.redraws, least - similarities.begin());
  EXPECT_TRUE(heart.filtered);
  EXPECT_NEAR(*heart.similarity, *least, 1e-9);
  EXPECT_TRUE(at::equal(heart.latent, candidate(static_cast<std::uint32_t>(heart.redraws))));
}

TEST(HeartFrameDraw, StopsAtTheLimit) {
  const PrivacyGate gate = gate_with(-2.0);
  int draws = 0;
  const auto draw = [&](std::uint32_t attempt) {
    ++draws;
    return candidate(attempt);
  };
  EXPECT_THROW(draw_heart_frame(draw, &gate, 3, false), DataError);
  EXPECT_EQ(draws, 4);
}

TEST(HeartFrameDraw, AllowedUnfilteredTakesTheLeastSimilar) {
  const PrivacyGate gate = gate_with(-2.0);
  const HeartFrame heart = draw_heart_frame(candidate, &gate, 3, true);
  double least = 2.0;
  for (std::uint32_t i = 0; i < 4; ++i) least = std::min(least, gate.similarity(candidate(i)));
  EXPECT_FALSE(heart.filtered);
  EXPECT_EQ(heart.redraws, 4) << "all were refused, the one that is taken too";
  EXPECT_NEAR(*heart.similarity, least, 1e-9);
}

TEST(HeartFrameDraw, WithoutAGateTakesTheFirst) {
  const HeartFrame heart = draw_heart_frame(candidate, nullptr, 3, false);
  EXPECT_TRUE(at::equal(heart.latent, candidate(0)));
  EXPECT_FALSE(heart.similarity.has_value());
  EXPECT_FALSE(heart.filtered);
}

TEST(PrivacyGate, OpensFromAModelDirectory) {
  const auto model = models::ModelDirectory::open(testing::shared_toy_model());
  EXPECT_EQ(PrivacyGate::open(model, at::kCPU).tau(), 2.0);
}

TEST(PrivacyGate, NamesAMissingPartAndWhatWritesIt) {
  for (const char* part : {"threshold.json", "train_embeddings.safetensors"}) {
    const testing::TemporaryFolder folder;
    testing::write_toy_model(folder / "model");
    fs::remove(folder / "model" / "reid" / part);
    try {
      PrivacyGate::open(models::ModelDirectory::open(folder / "model"), at::kCPU);
      ADD_FAILURE() << part;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("`echopath train reid` writes it"),
                std::string::npos);
    }
  }
}

TEST(PrivacyGate, RefusesPartsThatDoNotBelongTogether) {
  const testing::TemporaryFolder folder;
  testing::write_toy_model(folder / "model");
  const auto model = models::ModelDirectory::open(folder / "model");
  const fs::path path = folder / "model/reid/threshold.json";
  models::ReIdThreshold threshold = models::read_reid_threshold(path);
  const std::string right = threshold.weights_hash;
  threshold.weights_hash = "0";
  models::write_reid_threshold(path, threshold);
  EXPECT_THROW(PrivacyGate::open(model, at::kCPU), DataError);
  threshold.weights_hash = right;
  threshold.embeddings_hash = "0";
  models::write_reid_threshold(path, threshold);
  EXPECT_THROW(PrivacyGate::open(model, at::kCPU), DataError);
  fs::remove(path);
  EXPECT_THROW(PrivacyGate::open(model, at::kCPU), DataError);
}

TEST(HeartSampler, DependsOnSeedAttemptAndClassAlone) {
  DenoisingOptions options;
  options.solver.name = "ddpm";
  options.solver.num_inference_steps = 2;
  const HeartSampler hearts(models::ModelDirectory::open(testing::shared_toy_model()), options,
                            at::kCPU);
  const at::Tensor heart = hearts.sample(0, 1, 0);
  EXPECT_EQ(heart.sizes(), at::IntArrayRef({4, 14, 14}));
  EXPECT_TRUE(at::equal(heart, hearts.sample(0, 1, 0)));
  EXPECT_FALSE(at::equal(heart, hearts.sample(0, 1, 1)));
  EXPECT_FALSE(at::equal(heart, hearts.sample(0, 2, 0)));
  EXPECT_FALSE(at::equal(heart, hearts.sample(1, 1, 0)));
}

}  // namespace
}  // namespace echopath::generation
