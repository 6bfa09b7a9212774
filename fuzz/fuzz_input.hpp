#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "echopath/core/errors.hpp"

namespace echopath::fuzz {

/// The fuzzer's bytes as a file: one anonymous file in memory, rewritten for each input.
inline std::filesystem::path as_file(const std::uint8_t* data, std::size_t size) {
  static const int descriptor = memfd_create("fuzz", 0);
  if (descriptor < 0 || ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  return "/proc/self/fd/" + std::to_string(descriptor);
}

/// Runs a parser: an error of ours is a good answer if it is one line, any other exception is a
/// find.
template <class Parse>
int expect_result_or_error(Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) {
      std::abort();
    }
  }
  return 0;
}

}  // namespace echopath::fuzz
