# Everything from system packages (third_party/apt-packages.txt); versions and licences are listed in third_party/README.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

# Libraries without a usable CMake package: one INTERFACE target each.
function(echopath_pkgconfig_target target)
  pkg_check_modules(${target}_pc REQUIRED IMPORTED_TARGET ${ARGN})
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE PkgConfig::${target}_pc)
endfunction()

function(echopath_library_target target header)
  find_path(${target}_INCLUDE ${header} PATH_SUFFIXES nifti gdcm-3.0 opencv4 REQUIRED)
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE "${${target}_INCLUDE}")
  foreach(_lib IN LISTS ARGN)
    find_library(${target}_${_lib} ${_lib} REQUIRED)
    target_link_libraries(${target} INTERFACE "${${target}_${_lib}}")
  endforeach()
endfunction()

echopath_pkgconfig_target(echopath_libav libavformat libavcodec libswscale libavutil)
# Debian's CMake package of libzip demands its command-line tools, pkg-config does not.
echopath_pkgconfig_target(echopath_zip libzip)
echopath_library_target(echopath_gdcm gdcmImageReader.h gdcmMSFF gdcmDSED gdcmCommon gdcmDICT)
# OpenCV's own CMake package needs all of libopencv-dev, several times what these three need.
echopath_library_target(echopath_opencv opencv2/core.hpp opencv_imgcodecs opencv_imgproc opencv_core)
echopath_library_target(echopath_nifti nifti2_io.h nifti2)
echopath_library_target(echopath_csv csv.h csv)
echopath_library_target(echopath_isal isa-l/crc.h isal)
echopath_library_target(echopath_protozero protozero/pbf_builder.hpp) # headers only

# Debian's gloo headers only: the library itself is inside libtorch_cpu.
find_path(ECHOPATH_GLOO_INCLUDE gloo/context.h REQUIRED)
add_library(echopath_gloo INTERFACE)
target_include_directories(echopath_gloo SYSTEM INTERFACE "${ECHOPATH_GLOO_INCLUDE}")
