#pragma once

#include "echopath/training/classifier_options.hpp"
#include "echopath/training/options.hpp"

namespace echopath::training {

/// Whether the options go together, beyond each one's own range. Throws ConfigError naming the keys
/// that contradict each other, or that describe a network which cannot be built or used.
void validate(const VaeOptions& options);
void validate(const LidmOptions& options);
void validate(const LvdmOptions& options);
void validate(const ReidOptions& options);
void validate(const ClassifierOptions& options);

}  // namespace echopath::training
