#pragma once

#include <string>
#include <vector>

namespace echopath {

/// Version of the program, "0.1.0".
std::string version();

/// What LibTorch and this machine offer.
struct BuildInfo {
  std::string version;
  std::string build_type;  ///< Release, Debug…
  std::string compiler;
  std::string libtorch_version;
  std::string cpu_model;
  int cpu_cores = 0;           ///< hardware threads
  std::string cpu_capability;  ///< instruction set that LibTorch chose: AVX2, AVX512…
  bool fast_bfloat16 = false;  ///< the processor multiplies bfloat16 (AVX512-BF16 or AMX)
  int threads = 0;             ///< LibTorch's intra-op threads
  double memory_bytes = 0;     ///< of the machine
  bool cuda_build = false;     ///< built with ECHOPATH_CUDA
  bool nvidia_driver = false;
  bool cuda_usable = false;
  std::vector<std::string> cuda_devices;  ///< "cuda:0", …
  bool nccl_build = false;
  std::vector<std::string> remedies;  ///< what is missing for CUDA and NCCL, and what to do
};

BuildInfo build_info();

}  // namespace echopath
