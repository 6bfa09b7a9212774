#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::models {

/// One network of a source, not yet read.
struct SourceNetwork {
  std::filesystem::path weights;  ///< file or index of shards
  std::filesystem::path config;   ///< config.json; empty where there is none
  /// The folder it came from, where the source is a folder of networks; else empty.
  std::string folder;
};

/// What a source holds, by its content.
struct ConvertSource {
  std::filesystem::path folder;  ///< that was surveyed: the source, or its only checkpoint
  bool is_latents_directory = false;
  /// The reference's latents without a FileList.csv, relative to `folder`.
  std::vector<std::filesystem::path> latent_files;
  std::vector<SourceNetwork> networks;
  std::vector<std::string> left_out;    ///< other entries of the folder
  std::vector<std::string> companions;  ///< files of a model directory that go along unchanged
  std::vector<std::string> notes;       ///< choices made, one sentence each
};

/// Whether a file holds one tensor without a name, as the reference code saves latents.
bool is_bare_tensor(const io::TensorMap& tensors);

/// Throws DataError where nothing is recognised, saying what was looked for.
ConvertSource survey_source(const std::filesystem::path& path);

}  // namespace echopath::models
