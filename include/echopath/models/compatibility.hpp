#pragma once

#include <cstdint>
#include <string>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// Reproduction switches: each brings back one divergence of a published implementation, for people
/// who compare. The defaults are the correct behaviour. Every stage reads the part that concerns
/// it, under the key `compatibility`; docs/compatibility.md lists them with their sources.
struct Compatibility {
  // Networks and sampling.
  /// EchoPath: "no condition" is class 0, so that guidance is a no-op for class 0. A class
  /// embedding of mode "scalar" has no other null; with this, a learned one does without its own
  /// too.
  bool null_is_class_zero = false;
  /// diffusers ≤ 0.27.2 (fixed in 0.28.0, pull request 7268): the temporal cross-attention of
  /// UNetSpatioTemporalConditionModel lays its context out position-major while the sequences are
  /// batch-major, so that sequence b·HW + p reads the label of sample (b·HW + p) mod B.
  bool context_mixup_0_27 = false;
  /// EchoNet-Synthetic and EchoPath `padf`: sizes that are multiples of eight are padded by four on
  /// each side too, and an odd difference is rounded down (15 → 15).
  bool pad_multiples_of_eight = false;
  /// Which class each window of the stitched sampler gets: its own video's ("video"), or the one at
  /// its place in the list of labels repeated for every window, as EchoNet-Synthetic and EchoPath
  /// index it ("published").
  std::string stitch_labels = "video";

  // Training of the latent diffusion models.
  /// What a latent is at every use: a fresh draw of the VAE's posterior, or its mean.
  std::string posterior = "sample";
  /// The class dropout is what the option says, or, whatever it says: "never" (EchoNet-Synthetic
  /// draws a mask that it does not apply), or 0.3 ("misspelt_key": EchoPath's config misspells its
  /// key, so that the code's own default holds).
  std::string class_dropout = "option";
  /// The LVDM's reference: the first frame of the clip, or ("random") any frame of the whole video,
  /// as EchoNet-Synthetic and EchoPath train it.
  std::string reference_frame = "first";
  /// Frames of a short clip that count in the loss: index < length ("less"), or ≤, which lets one
  /// frame of padding in ("less_equal", EchoNet-Synthetic and EchoPath).
  std::string valid_frame_mask = "less";
  /// Any valid start of a clip, or never the last one ("not_last", EchoNet-Synthetic and EchoPath).
  std::string clip_start = "any";

  // Privacy filter.
  /// Latents are stretched to [−1, 1] frame by frame, or ("video") over a whole video as
  /// EchoNet-Synthetic does, where a verdict depends on frames that are not looked at.
  std::string privacy_normalisation = "frame";
  /// Synthetic latents are stretched as real ones ("same"), or ("set") from one minimum and maximum
  /// over all of them, as EchoNet-Synthetic does, so that adding a file changes the verdicts of
  /// others.
  std::string privacy_synthetic_normalisation = "same";
  /// The threshold is a percentile over held-out frames against training frames, or ("training")
  /// over training frames against held-out ones, as EchoNet-Synthetic does.
  std::string privacy_calibration = "validation";
  /// Which split is held out; EchoNet-Synthetic takes TEST.
  std::string privacy_split = "VAL";

  // Metrics.
  /// Divisor N − ddof of a covariance in a Fréchet distance; StyleGAN-V has 0.
  std::int64_t covariance_ddof = 1;
  /// Where the inception score's splits end: at fractions of the number of images, or ("50000") of
  /// 50 000 whatever their number, as StyleGAN-V.
  std::string inception_split_denominator = "images";
  /// Frames are measured as they are, or ("published") after JPEG of quality 100 for real and 95
  /// for synthetic ones, as EchoNet-Synthetic's scripts write them.
  std::string jpeg = "none";
  /// Area under the ROC curve of scores, or ("labels") of predicted labels, as EchoPath has it.
  std::string auc_from = "scores";

  void visit_sampling(config::Visitor& v);
  void visit_lidm_training(config::Visitor& v);
  void visit_lvdm_training(config::Visitor& v);
  void visit_privacy(config::Visitor& v);
  void visit_privacy_filter(config::Visitor& v);  ///< visit_privacy() and what the filter has more
  void visit_metrics(config::Visitor& v);
};

}  // namespace echopath::models
