#include "echopath/core/build_info.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "echopath/core/text.hpp"

namespace echopath {
namespace {

#ifdef ECHOPATH_WITH_CUDA
constexpr bool kCudaBuild = true;
#else
constexpr bool kCudaBuild = false;
#endif

/// The first value of a key of /proc/cpuinfo; empty where there is none.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && trim(line.substr(0, colon)) == key) {
      return trim(line.substr(colon + 1));
    }
  }
  return {};
}

bool has_nvidia_driver() {
  std::error_code ignored;
  return std::filesystem::exists("/proc/driver/nvidia/version", ignored) ||
         std::filesystem::exists("/dev/nvidiactl", ignored);
}

std::vector<std::string> remedies(const BuildInfo& info) {
  std::vector<std::string> lines;
  if (!info.nvidia_driver) {
    lines.push_back(
        "CUDA: no NVIDIA driver on this machine; install it from the distribution "
        "(package nvidia-driver) and restart");
  }
  if (!info.cuda_build) {
    lines.push_back(
        "CUDA: this build is for the CPU; run scripts/setup.sh --cuda, then "
        "cmake --preset cuda && cmake --build --preset cuda");
    lines.push_back("NCCL: comes with the CUDA build; until then several processes use Gloo");
  }
  if (info.cuda_build && info.nvidia_driver && !info.cuda_usable) {
    lines.push_back(
        "CUDA: a driver is there, but LibTorch sees no device; check nvidia-smi and "
        "CUDA_VISIBLE_DEVICES");
  }
  return lines;
}

}  // namespace

std::string version() {
  return ECHOPATH_VERSION;
}

BuildInfo build_info() {
  BuildInfo info;
  info.version = version();
#ifdef NDEBUG
  info.build_type = "release";
#else
  info.build_type = "debug";
#endif
  info.compiler = __VERSION__;
  info.libtorch_version = TORCH_VERSION;
  info.cpu_model = cpuinfo("model name");
  info.cpu_cores = static_cast<int>(std::thread::hardware_concurrency());
  info.cpu_capability = at::get_cpu_capability();
  const std::string flags = " " + cpuinfo("flags") + " ";
  info.fast_bfloat16 = flags.find(" avx512_bf16 ") != std::string::npos ||
                       flags.find(" amx_bf16 ") != std::string::npos;
  info.threads = at::get_num_threads();
  info.memory_bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  info.cuda_build = kCudaBuild;
  info.nccl_build = kCudaBuild;
  info.nvidia_driver = has_nvidia_driver();
  info.cuda_usable = at::hasCUDA();
  if (info.cuda_usable) {
    const int count = at::detail::getCUDAHooks().deviceCount();
    for (int i = 0; i < count; ++i) info.cuda_devices.push_back("cuda:" + std::to_string(i));
  }
  info.remedies = remedies(info);
  return info;
}

}  // namespace echopath
