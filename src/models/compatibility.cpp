#include "echopath/models/compatibility.hpp"

namespace echopath::models {
namespace {

void visit_context_mixup(config::Visitor& v, bool& value) {
  v.boolean("context_mixup_0_27", value,
            "temporal cross-attention mixes the labels of a batch, as diffusers up to 0.27.2 did");
}

}  // namespace

void Compatibility::visit_sampling(config::Visitor& v) {
  v.boolean("null_is_class_zero", null_is_class_zero,
            "\"no condition\" is class 0, as in EchoPath, not a token of its own");
  visit_context_mixup(v, context_mixup_0_27);
  v.boolean("pad_multiples_of_eight", pad_multiples_of_eight,
            "pad latents as EchoNet-Synthetic's padf does, multiples of eight too");
  v.choice("stitch_labels", stitch_labels, {"video", "published"},
           "class of each window of the stitched sampler: its own video's, or in the order of the "
           "published code");
}

void Compatibility::visit_lidm_training(config::Visitor& v) {
  v.choice("posterior", posterior, {"sample", "mean"},
           "draw from the VAE's posterior at every use, or take its mean");
  v.choice(
      "class_dropout", class_dropout, {"option", "never", "misspelt_key"},
      "as diffusion.class_dropout says; or whatever it says: never (EchoNet-Synthetic), or 0.3 "
      "(EchoPath, whose config misspells the key)");
}

void Compatibility::visit_lvdm_training(config::Visitor& v) {
  visit_lidm_training(v);
  visit_context_mixup(v, context_mixup_0_27);
  v.choice("reference_frame", reference_frame, {"first", "random"},
           "first frame of the clip, or a random frame of the whole video (published code)");
  v.choice("valid_frame_mask", valid_frame_mask, {"less", "less_equal"},
           "frames of a short clip that count: index < length, or <= (published code)");
  v.choice("clip_start", clip_start, {"any", "not_last"},
           "any valid start, or never the last one (published code)");
}

void Compatibility::visit_privacy(config::Visitor& v) {
  v.choice("privacy_normalisation", privacy_normalisation, {"frame", "video"},
           "min-max to [-1, 1] over each frame, or over the whole video (published code)");
  v.choice("privacy_calibration", privacy_calibration, {"validation", "training"},
           "threshold over held-out frames against training frames, or over training frames "
           "against held-out ones (published code)");
  v.choice("privacy_split", privacy_split, {"VAL", "TEST"},
           "split that the held-out frames are of (published code: TEST)");
}

void Compatibility::visit_privacy_filter(config::Visitor& v) {
  visit_privacy(v);
  v.choice(
      "privacy_synthetic_normalisation", privacy_synthetic_normalisation, {"same", "set"},
      "min-max of synthetic latents: as for real ones, or over the whole set (published code)");
}

void Compatibility::visit_metrics(config::Visitor& v) {
  v.integer("covariance_ddof", covariance_ddof, {0, 1},
            "divisor N - ddof of the covariance in a Fréchet distance (StyleGAN-V: 0)");
  v.choice("inception_split_denominator", inception_split_denominator, {"images", "50000"},
           "splits of the inception score: of the number of images, or of 50 000 (StyleGAN-V)");
  v.choice("jpeg", jpeg, {"none", "published"},
           "frames as they are, or through JPEG first: quality 100 for real, 95 for synthetic ones "
           "(published code)");
  v.choice("auc_from", auc_from, {"scores", "labels"},
           "area under the ROC curve of scores, or of predicted labels (EchoPath)");
}

}  // namespace echopath::models
