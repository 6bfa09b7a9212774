#include "echopath/training/losses.hpp"

#include <gtest/gtest.h>

#include "training/autocast.hpp"

namespace echopath::training {
namespace {

TEST(MultiScaleSimilarity, IsOneForEqualImagesAndFallsWithNoise) {
  torch::manual_seed(0);
  const at::Tensor image = at::rand({2, 1, 48, 48}) * 2 - 1;
  EXPECT_NEAR(multi_scale_similarity(image, image).item<double>(), 1.0, 1e-5);
  const double little =
      multi_scale_similarity(image, image + 0.1 * at::randn_like(image)).item<double>();
  const double much =
      multi_scale_similarity(image, image + 0.5 * at::randn_like(image)).item<double>();
  EXPECT_LT(much, little);
  EXPECT_LT(little, 1.0);
}

TEST(MultiScaleSimilarity, OfConstantImagesIsTheLuminanceTerm) {
  // No structure: (2ab + C1) / (a² + b² + C1) with C1 = (0.01·2)².
  const at::Tensor a = at::full({1, 1, 32, 32}, 0.5), b = at::full({1, 1, 32, 32}, 0.25);
  const double c1 = 4e-4;
  EXPECT_NEAR(multi_scale_similarity(a, b).item<double>(),
              (2 * 0.5 * 0.25 + c1) / (0.25 + 0.0625 + c1), 1e-4);
}

TEST(MultiScaleSimilarity, StaysFiniteUnderAutocast) {
  torch::manual_seed(0);
  const AutocastScope autocast(true, at::kCPU);
  const at::Tensor dark = at::full({2, 1, 112, 112}, -1.0) + 1e-3 * at::rand({2, 1, 112, 112});
  EXPECT_TRUE(multi_scale_similarity(dark, dark.roll(1, 3)).isfinite().item<bool>());
}

TEST(Psnr, OfAKnownErrorIsExact) {
  // Error 0.2 on a range of 2: 20 log10(2 / 0.2) = 20 dB.
  EXPECT_NEAR(psnr(at::zeros({4, 4}), at::full({4, 4}, 0.2)), 20.0, 1e-5);
}

TEST(PatchDiscriminator, JudgesAnImageWithoutItsBatch) {
  torch::manual_seed(0);
  PatchDiscriminator discriminator(3, 8, 2);
  const at::Tensor images = at::randn({3, 3, 32, 32});
  const at::Tensor together = discriminator->forward(images);
  const at::Tensor alone = discriminator->forward(images.slice(0, 1, 2));
  EXPECT_EQ(together.sizes(), (std::vector<std::int64_t>{3, 1, 8, 8}));
  EXPECT_LT((together[1] - alone[0]).abs().max().item<double>(), 1e-5);
}

TEST(DiscriminatorHingeLoss, IsZeroWhenBothSidesClearTheMargin) {
  EXPECT_EQ(discriminator_hinge_loss(at::full({3}, 1.5), at::full({3}, -1.5)).item<double>(), 0.0);
  EXPECT_NEAR(discriminator_hinge_loss(at::zeros({3}), at::zeros({3})).item<double>(), 1.0, 1e-6);
}

}  // namespace
}  // namespace echopath::training
