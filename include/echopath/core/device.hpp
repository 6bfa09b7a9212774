#pragma once

#include <ATen/ATen.h>

#include <string>

#include "echopath/core/threads.hpp"

namespace echopath {

/// Parses `auto|cpu|cuda[:i]`. `auto` is CUDA where this build and machine have it, else the CPU.
/// Throws UsageError on another word and DeviceError on a device that is absent.
at::Device parse_device(const std::string& name);

}  // namespace echopath
