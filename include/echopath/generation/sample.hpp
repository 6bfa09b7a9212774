#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/generation/denoising.hpp"
#include "echopath/models/compatibility.hpp"

namespace echopath::generation {

/// What `echopath sample` makes.
struct SampleOptions {
  std::string model = "models/phantom";           ///< model directory
  std::vector<std::string> classes;               ///< empty: every class of the model
  std::int64_t count = 1;                         ///< videos of each class
  std::optional<std::int64_t> ejection_fraction;  ///< percent; of models conditioned on it
  /// Beats per minute of every video; 0: drawn for each from those of its class in training. Of
  /// models conditioned on it.
  double heart_rate = 0.0;
  std::int64_t seed = 0;  ///< of the first video; the next ones count on from it
  diffusion::GuidanceOptions guidance{.scale = 5.0};
  /// How much of the class's guidance the LVDM gets: where w > 1 its scale is 1 + share·(w − 1).
  double video_guidance_share = 0.0;
  std::string sampler = "blocks";  ///< blocks, or stitched: EchoNet-Synthetic's windows
  std::int64_t blocks = 4;         ///< or windows
  diffusion::SolverOptions solver;
  std::string anchor = "hard";      ///< of the block sampler
  std::int64_t context_frames = 0;  ///< of the block sampler: frames that a block repeats; 0: c
  /// Of the block sampler: how many of the repeated frames, the last ones, a block draws itself and
  /// fades into; see SeamOptions::fade.
  std::int64_t seam_fade = 2;
  std::int64_t window_overlap = 0;  ///< of the stitched sampler, frames; 0: half a window
  /// Videos that the published code samples at once. With the published label order, which takes
  /// labels from the rest of the batch, video i counts as one of the batch ⌊i / this⌋ of the run.
  std::int64_t published_batch = 24;
  std::string heart;             ///< file to start from (docs/sampling.md); empty: the LIDM draws
  std::int64_t heart_frame = 0;  ///< of a file with several
  /// How far the heart is in its cycle in a frame that a file gives, 0 to 1 from where it moves
  /// least. Of models conditioned on it.
  double heart_phase = 0.0;
  std::int64_t max_redraws = 50;
  bool allow_unfiltered = false;
  std::string codec = "h264";     ///< of Videos/; another than h264 and ffv1 is replaced
  std::vector<std::string> also;  ///< gif, png, latents, dicom
  std::int64_t batch = 1;         ///< videos that share each forward pass of the LVDM
  /// What the networks compute in: fp32, bf16, or fp16 on a GPU, where the VAE stays in fp32.
  std::string precision = "fp32";
  bool deterministic = false;  ///< one video a pass, and GPU kernels that repeat themselves
  models::Compatibility compatibility;

  // Where and how, not what: left out of visit() and of config.json.
  std::string out = "samples";  ///< sample directory
  bool resume = false;          ///< go on with the run in `out`
  /// Safetensors file for undropped block latents, written at the end; empty: none. Not with
  /// resume.
  std::string trace;
  std::string device = "auto";
  bool guidance_scale_given = false;  ///< asked for, even where it is the default

  SampleOptions();
  void visit(config::Visitor& v);

 private:
  void visit_guidance(config::Visitor& v);
};

struct SampleSummary {
  std::filesystem::path directory;
  std::vector<std::filesystem::path> videos;  ///< of the whole run, in its order
  std::filesystem::path contact_sheet;
  std::filesystem::path index;
  std::int64_t made = 0;        ///< in this call
  std::int64_t skipped = 0;     ///< found in the manifest
  std::int64_t redraws = 0;     ///< heart frames refused, over the whole run
  std::int64_t unfiltered = 0;  ///< videos whose heart frame did not pass the gate
};

/// Samples `count` videos of each class into the sample directory `out` (docs/file_formats.md).
/// Video i of the run is of class i mod K and has seed `seed + i`; it depends on nothing else, so
/// the same seed gives the same video at any count. After every video its manifest line is on disk.
/// Several processes (torchrun's or SLURM's variables) share the missing videos; rank 0 writes what
/// lies beside them, and its summary is the run's.
/// Throws UsageError (an unknown class, the known ones listed; `out` holding another run or a
/// dataset, or in use by another program), DataError (a part of the model missing or of another
/// latent shape; no heart frame passing the privacy gate; a file that cannot be written),
/// DeviceError (a process lost) and Interrupted.
SampleSummary run_sampling(const SampleOptions& options);

}  // namespace echopath::generation
