#pragma once

#include <filesystem>
#include <string>

namespace echopath::data {

/// What a dataset or latents directory holds, to tell two copies apart without reading their files:
/// how many files of how many bytes, and the start of a SHA-256 over FileList.csv, the files' names
/// and sizes and, of latents, which VAE made them. Same-sized files with other contents look the
/// same. Throws DataError where the directory or its list cannot be read.
std::string fingerprint(const std::filesystem::path& directory);

}  // namespace echopath::data
