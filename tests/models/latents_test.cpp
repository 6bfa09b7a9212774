// Padding of latents, class embedding, and the re-ID normalisation and similarity.
#include <gtest/gtest.h>

#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/models/padding.hpp"
#include "echopath/models/reid.hpp"

namespace echopath::models {
namespace {

TEST(Padding, FourteenBecomesSixteenByReplication) {
  const torch::Tensor x = torch::arange(2 * 14 * 14, torch::kFloat).view({1, 2, 14, 14});
  const PaddedLatents padded = pad_latents(x);
  ASSERT_EQ(padded.latents.sizes(), (std::vector<std::int64_t>{1, 2, 16, 16}));
  EXPECT_EQ(padded.latents[0][1][0][0].item<float>(), x[0][1][0][0].item<float>());
  EXPECT_EQ(padded.latents[0][1][15][15].item<float>(), x[0][1][13][13].item<float>());
  EXPECT_EQ(padded.latents[0][0][5][0].item<float>(), x[0][0][4][0].item<float>());
  EXPECT_TRUE(at::equal(unpad_latents(padded.latents, padded), x));
}

TEST(Padding, MultiplesStayAndOddDifferencesGoRightAndDown) {
  const torch::Tensor video = torch::rand({2, 3, 4, 16, 13});  // [B, T, C, H, W]
  const PaddedLatents padded = pad_latents(video);
  EXPECT_EQ(padded.latents.sizes(), (std::vector<std::int64_t>{2, 3, 4, 16, 16}));
  EXPECT_EQ(padded.top + padded.bottom, 0);
  EXPECT_EQ(padded.left, 1);
  EXPECT_EQ(padded.right, 2);
  EXPECT_TRUE(at::equal(unpad_latents(padded.latents, padded), video));
  EXPECT_EQ(pad_latents(torch::rand({1, 7, 9}), 4).latents.sizes(),
            (std::vector<std::int64_t>{1, 8, 12}));
}

TEST(ClassEmbedding, NullTokenIsAVectorOfItsOwn) {
  ClassEmbedding embedding(ClassEmbeddingConfig{4, 8, "learned"});
  const torch::Tensor labels =
      torch::tensor({std::int64_t{0}, std::int64_t{3}, embedding->null_label()});
  const torch::Tensor context = embedding->forward(labels);
  ASSERT_EQ(context.sizes(), (std::vector<std::int64_t>{3, 1, 8}));
  EXPECT_EQ(embedding->context_width(), 8);
  EXPECT_FALSE(at::equal(context[0], context[2]));
  context.sum().backward();
  const torch::Tensor gradient = embedding->parameters()[0].grad();
  EXPECT_TRUE(at::equal(gradient.sum(1), torch::tensor({8.0F, 0.0F, 0.0F, 8.0F, 8.0F})));
}

TEST(ReIdNormalisation, EachFrameOrAllTogether) {
  const torch::Tensor x = torch::tensor({0.0F, 1.0F, 2.0F, 4.0F, 4.0F, 4.0F}).view({2, 1, 1, 3});
  EXPECT_TRUE(at::equal(normalise_per_frame(x).flatten(),
                        torch::tensor({-1.0F, 0.0F, 1.0F, -1.0F, -1.0F, -1.0F})));
  EXPECT_TRUE(at::equal(normalise_jointly(x).flatten(),
                        torch::tensor({-1.0F, -0.5F, 0.0F, 1.0F, 1.0F, 1.0F})));
}

TEST(PearsonSimilarity, EqualsCorrelationCoefficients) {
  // numpy.corrcoef([1, 2, 4], [2, 1, 5]) = 0.8386279; a decreasing line is −1; a constant is 0.
  const torch::Tensor a = torch::tensor({{1.0F, 2.0F, 4.0F}, {3.0F, 2.0F, 1.0F}});
  const torch::Tensor b =
      torch::tensor({{2.0F, 1.0F, 5.0F}, {10.0F, 20.0F, 30.0F}, {7.0F, 7.0F, 7.0F}});
  const torch::Tensor similarity = pearson_similarity(a, b);
  ASSERT_EQ(similarity.sizes(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_NEAR(similarity[0][0].item<double>(), 0.8386279, 1e-6);
  EXPECT_NEAR(similarity[0][1].item<double>(), 0.9819805, 1e-6);
  EXPECT_NEAR(similarity[1][1].item<double>(), -1.0, 1e-6);
  EXPECT_EQ(similarity[0][2].item<double>(), 0.0);
}

TEST(DiagonalGaussian, SampleAndDivergenceFollowTheirFormulas) {
  const DiagonalGaussian standard{torch::zeros({2, 3}), torch::zeros({2, 3})};
  EXPECT_TRUE(at::equal(standard.kl(), torch::zeros({2})));
  const DiagonalGaussian wide{torch::full({1, 2}, 3.0), torch::full({1, 2}, std::log(4.0))};
  EXPECT_TRUE(at::allclose(wide.sample(torch::full({1, 2}, -1.0)), torch::full({1, 2}, 1.0)));
  // Two dimensions of ½(9 + 4 − 1 − ln 4).
  EXPECT_NEAR(wide.kl().item<double>(), 12.0 - std::log(4.0), 1e-5);
}

}  // namespace
}  // namespace echopath::models
