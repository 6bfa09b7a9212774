# cuda_link_check: compiles every source that has a CUDA part as a CUDA build would, and links it
# against the wheel's libtorch_cuda.so. Nothing of it is run, and no GPU, driver or other CUDA
# library is needed: it keeps the CUDA path building on machines without a GPU.
if(ECHOPATH_WITH_CUDA OR NOT TARGET echopath_cuda_headers OR NOT TARGET torch_cuda)
  return()
endif()

file(GLOB _sources "${PROJECT_SOURCE_DIR}/src/*/*.cpp")
set(_cuda_sources "")
foreach(_source IN LISTS _sources)
  file(STRINGS "${_source}" _lines REGEX "ECHOPATH_WITH_CUDA|ProcessGroupNCCL")
  if(_lines)
    list(APPEND _cuda_sources "${_source}")
  endif()
endforeach()

file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/cuda_link_check.cpp" CONTENT
[[#include "echopath/distributed/process_group.hpp"
int main() {
  echopath::distributed::make_process_group({}, at::kCUDA);
}
]])
add_executable(cuda_link_check EXCLUDE_FROM_ALL
               "${CMAKE_BINARY_DIR}/cuda_link_check.cpp" ${_cuda_sources})
target_include_directories(cuda_link_check PRIVATE "${PROJECT_SOURCE_DIR}/src")
# LibTorch's headers include those of libraries whose wheels are hundreds of megabytes; where no
# toolkit brings them, the types they name are enough.
find_path(ECHOPATH_CUBLAS_INCLUDE cublas_v2.h
          HINTS "${ECHOPATH_CUDA_INCLUDE}" PATHS /usr/local/cuda/include "$ENV{CUDA_HOME}/include")
if(NOT ECHOPATH_CUBLAS_INCLUDE)
  target_include_directories(cuda_link_check SYSTEM PRIVATE
                             "${PROJECT_SOURCE_DIR}/cmake/cuda_link_check")
endif()
target_compile_definitions(cuda_link_check PRIVATE ECHOPATH_VERSION="${PROJECT_VERSION}")
target_link_libraries(cuda_link_check PRIVATE
  echopath_warnings echopath_cuda_headers echopath_distributed echopath_core torch_cuda c10_cuda)
target_link_options(cuda_link_check PRIVATE LINKER:--allow-shlib-undefined)
echopath_use_torch(cuda_link_check distributed)
