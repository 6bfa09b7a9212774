#pragma once

#include "echopath/training/classifier_options.hpp"
#include "echopath/training/options.hpp"

namespace echopath::training {

/// How many values one forward pass of one item keeps for the backward pass, counted layer by layer
/// from the config: the input of each norm, activation and convolution, queries, keys, values and
/// what attention makes of them (its scores are not kept), the branches of each blend. Left out are
/// the loss itself, biases and time embeddings, and what the allocator wastes. A LIDM item is a
/// frame, an LVDM item `block_length` frames, a VAE item a frame (what a perceptual term keeps is
/// left out: its network is in another folder), a re-ID item a pair of frames, a classifier's a
/// clip.
double kept_values(const LidmOptions& options);
double kept_values(const LvdmOptions& options);
double kept_values(const VaeOptions& options);
double kept_values(const ReidOptions& options);
double kept_values(const ClassifierOptions& options);

/// Bytes that a training takes at its peak: weights, gradients, the optimizer's state and the
/// average of `parameters` parameters in float32, the bfloat16 copy of the weights where precision
/// is bf16, and the kept values of one micro-batch. Under bf16 a kept value takes two bytes on the
/// CPU; CUDA's autocast runs norms in float32, which keeps ten bytes of each twelve.
double training_bytes(const LoopOptions& loop, std::int64_t parameters, double kept_values,
                      bool cuda);

}  // namespace echopath::training
