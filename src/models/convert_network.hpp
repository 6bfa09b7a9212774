#pragma once

#include <filesystem>

#include "echopath/io/safetensors.hpp"
#include "echopath/models/convert.hpp"
#include "models/convert_source.hpp"
#include "models/network_plan.hpp"
#include "models/weight_files.hpp"

namespace echopath::models {

/// A network of the source, compared with what its config describes.
struct PreparedNetwork {
  NetworkReport report;
  NetworkPlan plan;
  io::TensorMap tensors;  ///< by the network's names
  io::Metadata metadata;
  WeightFaults faults;
};

/// Throws DataError where the weights are of no known network, ConfigError on a bad config.
PreparedNetwork prepare_network(const SourceNetwork& source, StoredWeights stored,
                                const ConvertOptions& options);

/// Writes config.json and diffusion_pytorch_model.safetensors into `directory`.
void write_network(const std::filesystem::path& directory, const PreparedNetwork& network);

}  // namespace echopath::models
