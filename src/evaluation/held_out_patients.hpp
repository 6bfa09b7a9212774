#pragma once

#include "echopath/evaluation/latent_reader.hpp"

namespace echopath::evaluation {

/// Throws DataError where a patient of TRAIN is in another split too: held-out videos of someone
/// trained on are as near to the training set as copies, and would raise every threshold that is
/// taken from them.
void require_patients_held_out(const LatentReader& real);

}  // namespace echopath::evaluation
