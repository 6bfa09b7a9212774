#pragma once

#include "echopath/training/classifier_options.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/train.hpp"

namespace echopath::training {

// What goes into a forward pass of `items` items and what comes out, by the options alone: latents
// are as large as `model.sample_size` says, 14 where it says nothing.

NamedShapes shapes_of(const VaeOptions& options, std::int64_t items);
NamedShapes shapes_of(const LidmOptions& options, std::int64_t items);
NamedShapes shapes_of(const LvdmOptions& options, std::int64_t items);
NamedShapes shapes_of(const ReidOptions& options, std::int64_t items);
NamedShapes shapes_of(const ClassifierOptions& options, std::int64_t items);

}  // namespace echopath::training
