#pragma once

#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// The loss of one forward pass, as the trainer asks for it.
inline at::Tensor loss_of(Recipe& recipe, int phase, const MicroBatch& batch, Figures& figures) {
  return recipe.loss(phase, recipe.load(batch), figures);
}

}  // namespace echopath::training
