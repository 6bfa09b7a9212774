#pragma once

#include <ATen/ATen.h>

#include <string>

#include "echopath/distributed/environment.hpp"

namespace echopath::distributed {

/// The device of one process: of several on GPUs each takes the one of its local rank. Throws
/// UsageError where `name` gives all of them one GPU, DeviceError where it is absent.
at::Device device_of_process(const std::string& name, const ProcessEnvironment& environment);

}  // namespace echopath::distributed
