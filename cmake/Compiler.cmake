# Warnings, build type, ccache and mold.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# Warnings are errors for our own code; every dependency is a SYSTEM include.
add_library(echopath_warnings INTERFACE)
target_compile_options(echopath_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # GCC 12 and 13 warn at -O3 about the inside of std::string's operator+, of push_back and of
  # std::optional (GCC bugs 105329, 105562, 105651).
  target_compile_options(echopath_warnings INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-maybe-uninitialized)
endif()

find_program(ECHOPATH_CCACHE ccache)
if(ECHOPATH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header is only cacheable with these allowances.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${ECHOPATH_CCACHE})
endif()

find_program(ECHOPATH_MOLD mold)
if(ECHOPATH_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
