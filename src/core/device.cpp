#include "echopath/core/device.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <charconv>

#include "echopath/core/errors.hpp"
#include "echopath/core/threads.hpp"

namespace echopath {
namespace {

int parse_index(const std::string& name, const std::string& digits) {
  int index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc{} || end != digits.data() + digits.size() || index < 0 || index > 127) {
    throw UsageError("device '" + name + "' is unknown; use auto, cpu, cuda or cuda:<index>");
  }
  return index;
}

}  // namespace

at::Device parse_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && !at::hasCUDA())) {
    return at::Device(at::kCPU);
  }
  const std::string wanted = name == "auto" || name == "cuda" ? "cuda:0" : name;
  if (wanted.rfind("cuda:", 0) != 0) {
    throw UsageError("device '" + name + "' is unknown; use auto, cpu, cuda or cuda:<index>");
  }
  const int index = parse_index(name, wanted.substr(5));
  if (!at::hasCUDA()) {
    throw DeviceError("device '" + name +
                      "' was asked for, but this build or machine has no CUDA device; use "
                      "--device cpu, or see `echopath doctor`");
  }
  const int count = at::detail::getCUDAHooks().deviceCount();
  if (index >= count) {
    throw DeviceError("device '" + name +
                      "' is absent; this machine has cuda:0 to cuda:" + std::to_string(count - 1));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

void set_threads(int threads) {
  if (threads < 0) {
    throw UsageError("--threads is " + std::to_string(threads) +
                     "; give 0 (the default number) or more");
  }
  if (threads > 0) {
    at::set_num_threads(threads);
  }
}

void compute_on_this_thread_alone() {
  at::get_num_threads();  // so that LibTorch does not set the number again later
  // at::set_num_threads() would change the other threads' number too. LibTorch comes with its own
  // copy of OpenMP, which is found by name because a second one must not be linked.
  const auto set = reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set != nullptr) set(1);
}

}  // namespace echopath
