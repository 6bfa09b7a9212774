#pragma once

#include <ATen/ATen.h>

#include "echopath/distributed/process_group.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::training {

/// States of LibTorch's default generators, of the CPU and of a GPU where `device` is one, of every
/// process: "rank0", "rank0.cuda", … On every process.
io::TensorMap gather_generators(distributed::ProcessGroup& group, at::Device device);

/// The opposite: `states` is that of rank 0. Nothing happens where it is of another number of
/// processes. On every process.
void scatter_generators(const io::TensorMap& states, distributed::ProcessGroup& group,
                        at::Device device);

}  // namespace echopath::training
