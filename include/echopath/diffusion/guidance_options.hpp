#pragma once

namespace echopath::diffusion {

/// How strongly conditions steer a prediction.
struct GuidanceOptions {
  /// w of classifier-free guidance (Ho and Salimans 2022) in Imagen's convention: u + w·(c − u).
  /// 1 is the conditional prediction, 0 the one without the class.
  double scale = 1.0;
  /// The same for the reference frame of a video; 1: the frame is given and not amplified. Other
  /// values need a model trained with the reference left out now and then.
  double frame_scale = 1.0;
  /// φ of Lin et al. 2024 ("Common diffusion noise schedules and sample steps are flawed", section
  /// 3.4): 1 gives a guided prediction the standard deviation of the conditional one, 0 leaves it.
  double rescale = 0.0;
  /// Guidance acts at noise levels t / T from `interval_start` to `interval_end` (Kynkäänniemi et
  /// al. 2024); outside of them the prediction is the conditional one.
  double interval_start = 0.0;
  double interval_end = 1.0;
};

}  // namespace echopath::diffusion
