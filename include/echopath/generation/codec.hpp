#pragma once

#include <cstdint>
#include <string>

#include "echopath/config/options.hpp"

namespace echopath::generation {

/// Videos to latents.
struct EncodeOptions {
  std::string data;              ///< dataset directory
  std::string model;             ///< model directory with vae/
  std::string out;               ///< latents directory
  std::int64_t batch_size = 32;  ///< frames at once
  std::string device = "auto";   ///< not part of the recorded options

  void visit(config::Visitor& v);
};

/// Latents to videos.
struct DecodeOptions {
  std::string latents;           ///< latents directory
  std::string model;             ///< model directory with vae/
  std::string out;               ///< dataset directory
  std::string codec = "ffv1";    ///< ffv1 (lossless AVI) or h264 (MP4)
  std::int64_t batch_size = 32;  ///< frames at once
  std::string device = "auto";   ///< not part of the recorded options

  void visit(config::Visitor& v);
};

struct CodecSummary {
  std::int64_t videos = 0;   ///< written in this run
  std::int64_t skipped = 0;  ///< found complete from an earlier run
  std::int64_t frames = 0;   ///< written in this run
};

/// Encodes every study of a dataset: Latents/NAME.safetensors with the posterior's mean and logvar,
/// unscaled, then FileList.csv. A file that is complete and was made of the same video by the same
/// VAE is kept, so an interrupted run goes on where it stopped. Throws DataError (path and reason;
/// also at the first video of another size than the first), UsageError where `out` holds a dataset,
/// and Interrupted.
CodecSummary encode_dataset(const EncodeOptions& options);

/// Decodes the means of a latents directory to Videos/NAME, then writes FileList.csv. Videos of an
/// earlier run of the same decoding are kept. Throws UsageError where `out` holds videos or a list
/// that decode did not make, DataError where the latents come from another VAE than the model's,
/// and Interrupted.
CodecSummary decode_latents(const DecodeOptions& options);

}  // namespace echopath::generation
