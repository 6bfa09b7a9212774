#include "echopath/nn/initialisation.hpp"

#include <gtest/gtest.h>

#include "echopath/nn/layers.hpp"

namespace echopath::nn {
namespace {

/// The first number that the global generator gives after a layer was made.
float after_a_layer() {
  torch::manual_seed(3);
  const Linear layer(16, 16);
  return torch::rand({}).item<float>();
}

float first_number() {
  torch::manual_seed(3);
  return torch::rand({}).item<float>();
}

TEST(UninitialisedScope, DrawsNothingWhileItLives) {
  EXPECT_NE(after_a_layer(), first_number());
  {
    const UninitialisedScope outer;
    {
      const UninitialisedScope inner;
      EXPECT_EQ(after_a_layer(), first_number());
    }
    EXPECT_EQ(after_a_layer(), first_number()) << "the inner one restores the outer one";
  }
  EXPECT_NE(after_a_layer(), first_number());
}

}  // namespace
}  // namespace echopath::nn
