#include "echopath/distributed/device_of_process.hpp"

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::distributed {

at::Device device_of_process(const std::string& name, const ProcessEnvironment& environment) {
  if (environment.world_size == 1) return parse_device(name);
  if (name.rfind("cuda:", 0) == 0) {
    throw UsageError(
        "--device " + name +
        " names one GPU for all processes; give --device cuda, and each takes its own");
  }
  const at::Device device = parse_device(name);
  return device.is_cuda() ? parse_device("cuda:" + std::to_string(environment.local_rank)) : device;
}

}  // namespace echopath::distributed
