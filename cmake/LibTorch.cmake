# Imported targets for LibTorch as the PyPI wheel or the download archive lays it out.
# The wheel's own TorchConfig.cmake needs the CUDA toolkit even for a CPU build and then mixes
# its NCCL with the toolkit's, so it is not used.
set(ECHOPATH_TORCH_VERSION 2.14.1)
set(ECHOPATH_CUDA AUTO CACHE STRING "Build the CUDA device and the NCCL process group: AUTO, ON or OFF")
set_property(CACHE ECHOPATH_CUDA PROPERTY STRINGS AUTO ON OFF)
set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "Folder that holds include/ and lib/ of LibTorch")

set(_cache "$ENV{XDG_CACHE_HOME}")
if(NOT _cache)
  set(_cache "$ENV{HOME}/.cache")
endif()
set(_searched "${LIBTORCH}" "${LIBTORCH}/torch" "${LIBTORCH}/libtorch"
    "${_cache}/echopath/libtorch-${ECHOPATH_TORCH_VERSION}-cuda/torch"
    "${_cache}/echopath/libtorch-${ECHOPATH_TORCH_VERSION}-cpu/torch")
set(ECHOPATH_TORCH_ROOT "")
foreach(_dir IN LISTS _searched)
  if(_dir AND EXISTS "${_dir}/include/torch/csrc/api/include/torch/torch.h")
    set(ECHOPATH_TORCH_ROOT "${_dir}")
    break()
  endif()
endforeach()
if(NOT ECHOPATH_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch was not found. Run scripts/setup.sh, which fetches it, or give "
                      "-DLIBTORCH=/folder/that/holds/include/and/lib.")
endif()
message(STATUS "LibTorch: ${ECHOPATH_TORCH_ROOT}")

set(_torch_includes "${ECHOPATH_TORCH_ROOT}/include"
    "${ECHOPATH_TORCH_ROOT}/include/torch/csrc/api/include")
foreach(_name c10 torch_cpu)
  add_library(${_name} SHARED IMPORTED GLOBAL)
  set_target_properties(${_name} PROPERTIES
    IMPORTED_LOCATION "${ECHOPATH_TORCH_ROOT}/lib/lib${_name}.so")
  target_include_directories(${_name} SYSTEM INTERFACE ${_torch_includes})
endforeach()
add_library(echopath_torch INTERFACE)
# LibTorch carries headers of its own {fmt}, newer than the one spdlog was built with: the system's
# are found first.
find_path(ECHOPATH_FMT_INCLUDE fmt/core.h REQUIRED)
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/fmt_first")
file(CREATE_LINK "${ECHOPATH_FMT_INCLUDE}/fmt" "${CMAKE_BINARY_DIR}/fmt_first/fmt" SYMBOLIC)
target_include_directories(echopath_torch SYSTEM BEFORE INTERFACE "${CMAKE_BINARY_DIR}/fmt_first")
target_link_libraries(echopath_torch INTERFACE torch_cpu c10)
