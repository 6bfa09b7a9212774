# Imported targets for LibTorch as the PyPI wheel or the download archive lays it out.
# The wheel's own TorchConfig.cmake needs the CUDA toolkit even for a CPU build and then mixes
# its NCCL with the toolkit's, so it is not used.
#
# Gives echopath_torch, and echopath_cuda_headers where the headers of the CUDA runtime and of NCCL
# are there. ECHOPATH_WITH_CUDA says whether this is a CUDA build.
set(ECHOPATH_TORCH_VERSION 2.14.1)
set(ECHOPATH_CUDA AUTO CACHE STRING "Build the CUDA device and the NCCL process group: AUTO, ON or OFF")
set_property(CACHE ECHOPATH_CUDA PROPERTY STRINGS AUTO ON OFF)
set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "Folder that holds include/ and lib/ of LibTorch")
if(NOT ECHOPATH_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "ECHOPATH_CUDA is '${ECHOPATH_CUDA}'; use AUTO, ON or OFF.")
endif()

# Where scripts/setup.sh puts things.
set(ECHOPATH_CACHE "$ENV{XDG_CACHE_HOME}")
if(NOT ECHOPATH_CACHE)
  set(ECHOPATH_CACHE "$ENV{HOME}/.cache")
endif()
string(APPEND ECHOPATH_CACHE "/echopath")
set(_cpu_set "${ECHOPATH_CACHE}/libtorch-${ECHOPATH_TORCH_VERSION}-cpu")
set(_cuda_set "${ECHOPATH_CACHE}/libtorch-${ECHOPATH_TORCH_VERSION}-cuda")

# The first of the given folders that holds LibTorch.
function(echopath_find_torch out)
  set(${out} "" PARENT_SCOPE)
  foreach(dir IN LISTS ARGN)
    if(EXISTS "${dir}/include/torch/csrc/api/include/torch/torch.h" AND EXISTS "${dir}/lib/libc10.so")
      set(${out} "${dir}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

if(LIBTORCH)
  set(_own "${LIBTORCH}" "${LIBTORCH}/torch" "${LIBTORCH}/libtorch")
  echopath_find_torch(ECHOPATH_TORCH_ROOT ${_own})
  if(NOT ECHOPATH_TORCH_ROOT)
    message(FATAL_ERROR "LIBTORCH=${LIBTORCH} holds no LibTorch: include/torch/… and lib/libc10.so "
                        "are expected in it, or in torch/ or libtorch/ under it.")
  endif()
  set(_cuda_root "${ECHOPATH_TORCH_ROOT}")
else()
  echopath_find_torch(ECHOPATH_TORCH_ROOT "${_cpu_set}/torch" "${_cuda_set}/torch")
  echopath_find_torch(_cuda_root "${_cuda_set}/torch")
endif()

# Headers of the CUDA runtime and of NCCL, from a wheel set or the system.
set(_wheel_dirs "${_cuda_root}/../nvidia" "${ECHOPATH_TORCH_ROOT}/../nvidia")
list(TRANSFORM _wheel_dirs APPEND "/cu13/include" OUTPUT_VARIABLE _runtime_dirs)
list(TRANSFORM _wheel_dirs APPEND "/nccl/include" OUTPUT_VARIABLE _nccl_dirs)
file(GLOB _nccl_headers "${ECHOPATH_CACHE}/nccl-*-headers/nvidia/nccl/include")
find_path(ECHOPATH_CUDA_INCLUDE cuda_runtime_api.h
          HINTS ${_runtime_dirs} PATHS /usr/local/cuda/include "$ENV{CUDA_HOME}/include")
# Not the system's NCCL, which is often too old for this LibTorch.
find_path(ECHOPATH_NCCL_INCLUDE nccl.h
          PATHS ${_nccl_dirs} ${_nccl_headers} "$ENV{NCCL_HOME}/include" NO_DEFAULT_PATH)

# The runtime's headers include some of the compiler's; a toolkit has both, the wheels are two.
file(GLOB _crt_headers "${ECHOPATH_CACHE}/cuda-*-headers/nvidia/cu13/include")
find_path(ECHOPATH_CUDA_CRT_INCLUDE crt/host_config.h
          HINTS "${ECHOPATH_CUDA_INCLUDE}" ${_crt_headers}
          PATHS /usr/local/cuda/include "$ENV{CUDA_HOME}/include")

# What a CUDA build still lacks.
set(_missing "")
if(NOT EXISTS "${_cuda_root}/lib/libtorch_cuda.so")
  list(APPEND _missing "LibTorch with CUDA")
endif()
if(NOT ECHOPATH_CUDA_INCLUDE)
  list(APPEND _missing "the CUDA toolkit's headers (cuda_runtime_api.h)")
endif()
if(NOT ECHOPATH_CUDA_CRT_INCLUDE)
  list(APPEND _missing "the CUDA compiler's headers (crt/host_config.h)")
endif()
if(NOT ECHOPATH_NCCL_INCLUDE)
  list(APPEND _missing "NCCL's headers (nccl.h)")
endif()
list(JOIN _missing ", " _missing_text)

set(ECHOPATH_WITH_CUDA OFF)
if(ECHOPATH_CUDA STREQUAL "ON")
  if(_missing)
    message(FATAL_ERROR "ECHOPATH_CUDA=ON, but these are missing: ${_missing_text}. "
                        "Run scripts/setup.sh --cuda, which fetches them.")
  endif()
  set(ECHOPATH_WITH_CUDA ON)
elseif(ECHOPATH_CUDA STREQUAL "AUTO" AND NOT _missing
       AND (EXISTS /proc/driver/nvidia/version OR EXISTS /dev/nvidiactl))
  set(ECHOPATH_WITH_CUDA ON)
endif()
if(ECHOPATH_WITH_CUDA)
  set(ECHOPATH_TORCH_ROOT "${_cuda_root}")
endif()
if(NOT ECHOPATH_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch was not found. Run scripts/setup.sh, which fetches it, or give "
                      "-DLIBTORCH=/folder/that/holds/include/and/lib.")
endif()
cmake_path(NORMAL_PATH ECHOPATH_TORCH_ROOT)
message(STATUS "LibTorch: ${ECHOPATH_TORCH_ROOT} (CUDA: ${ECHOPATH_WITH_CUDA})")

set(_torch_includes "${ECHOPATH_TORCH_ROOT}/include"
    "${ECHOPATH_TORCH_ROOT}/include/torch/csrc/api/include")
set(_torch_libraries c10 torch_cpu)
if(EXISTS "${ECHOPATH_TORCH_ROOT}/lib/libtorch_cuda.so")
  list(APPEND _torch_libraries c10_cuda torch_cuda)
endif()
foreach(_name IN LISTS _torch_libraries)
  add_library(${_name} SHARED IMPORTED GLOBAL)
  set_target_properties(${_name} PROPERTIES
    IMPORTED_LOCATION "${ECHOPATH_TORCH_ROOT}/lib/lib${_name}.so")
  target_include_directories(${_name} SYSTEM INTERFACE ${_torch_includes})
endforeach()

# Headers alone compile the CUDA code; cmake/CudaLinkCheck.cmake uses that.
if(ECHOPATH_CUDA_INCLUDE AND ECHOPATH_CUDA_CRT_INCLUDE AND ECHOPATH_NCCL_INCLUDE)
  add_library(echopath_cuda_headers INTERFACE)
  target_include_directories(echopath_cuda_headers SYSTEM INTERFACE
                             "${ECHOPATH_CUDA_INCLUDE}" "${ECHOPATH_CUDA_CRT_INCLUDE}"
                             "${ECHOPATH_NCCL_INCLUDE}")
  target_compile_definitions(echopath_cuda_headers INTERFACE ECHOPATH_WITH_CUDA)
endif()

add_library(echopath_torch INTERFACE)
target_link_libraries(echopath_torch INTERFACE torch_cpu c10)
if(ECHOPATH_WITH_CUDA)
  # No symbol of libtorch_cuda is named by most programs: loading it registers the CUDA device.
  target_link_options(echopath_torch INTERFACE
    "LINKER:--no-as-needed,${ECHOPATH_TORCH_ROOT}/lib/libtorch_cuda.so,${ECHOPATH_TORCH_ROOT}/lib/libc10_cuda.so,--as-needed"
    LINKER:--allow-shlib-undefined)
  target_link_libraries(echopath_torch INTERFACE torch_cuda c10_cuda echopath_cuda_headers)
endif()
