#include "echopath/evaluation/seams.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "echopath/core/statistics.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
/// Frames over which motion is taken.
constexpr std::int64_t kSpan = 2;
/// Cosine of the angle beyond which a motion is turned back.
constexpr double kTurned = -0.3;

double mean_change(const io::Frames& frames, std::int64_t t) {
  const std::uint8_t* a = frames.frame(t - 1);
  const std::uint8_t* b = frames.frame(t);
  double sum = 0.0;
  for (std::int64_t i = 0; i < frames.frame_size(); ++i) sum += std::abs(int(a[i]) - int(b[i]));
  return sum / static_cast<double>(frames.frame_size());
}

/// m(t) · m(u) of the coarse frames.
double motion_product(const data::CoarseVideo& video, std::int64_t t, std::int64_t u) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < video.width; ++i) {
    sum += (video.frame(t)[i] - video.frame(t - kSpan)[i]) *
           (video.frame(u)[i] - video.frame(u - kSpan)[i]);
  }
  return sum;
}

/// Tells at which frames the heart moves and turns.
class Motion {
 public:
  explicit Motion(const data::CoarseVideo& video) : video_(video) {
    for (std::int64_t t = kSpan; t < video.count; ++t) speeds_.push_back(speed(t));
    if (!speeds_.empty()) usual_ = percentile(speeds_, 50.0);
  }

  bool can_judge(std::int64_t b) const { return b > kSpan && b + kSpan < video_.count; }
  bool moves(std::int64_t b) const { return usual_ > 0.0 && speed(b - 1) >= usual_; }
  bool turns(std::int64_t b) const {
    const double before = speed(b - 1), after = speed(b + kSpan);
    return after >= usual_ && motion_product(video_, b - 1, b + kSpan) < kTurned * before * after;
  }

 private:
  double speed(std::int64_t t) const { return std::sqrt(motion_product(video_, t, t)); }

  const data::CoarseVideo& video_;
  std::vector<double> speeds_;
  double usual_ = 0.0;
};

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().sqrt().item<double>();
}

}  // namespace

std::vector<data::FrameRange> block_ranges(std::int64_t frames, std::int64_t block_length,
                                           std::int64_t context_frames) {
  std::vector<data::FrameRange> ranges;
  std::int64_t begin = 0, length = block_length;
  while (begin + length <= frames) {
    ranges.push_back({begin, begin + length});
    begin += length;
    length = block_length - context_frames;
  }
  return ranges;
}

SeamFigures measure_seams(const io::Frames& frames, const data::CoarseVideo& coarse,
                          const std::vector<data::FrameRange>& blocks, std::int64_t fade) {
  std::vector<std::int64_t> seams;
  for (std::size_t i = 1; i < blocks.size(); ++i) seams.push_back(blocks[i].begin);
  // Whether the step to frame t is one of a seam's, or so many frames before or behind them.
  const auto near_seam = [&](std::int64_t t, std::int64_t reach) {
    return std::any_of(seams.begin(), seams.end(), [&](std::int64_t seam) {
      return t >= seam - fade - reach && t <= seam + reach;
    });
  };
  const auto begins_seam = [&](std::int64_t t) {
    return std::find(seams.begin(), seams.end(), t + fade) != seams.end();
  };
  const Motion motion(coarse);
  SeamFigures figures;
  double at_seams = 0.0, inside = 0.0;
  std::int64_t steps_at_seams = 0, others = 0;
  for (std::int64_t t = 1; t < frames.count; ++t) {
    const bool seam = near_seam(t, 0);
    (seam ? at_seams : inside) += mean_change(frames, t);
    ++(seam ? steps_at_seams : others);
    const bool first = begins_seam(t);
    if (!motion.can_judge(t) || (!first && near_seam(t, kSpan)) || !motion.moves(t)) continue;
    ++(first ? figures.moving_seams : figures.moving_inside);
    if (motion.turns(t)) ++(first ? figures.reversed_seams : figures.reversed_inside);
  }
  figures.change_at_seams =
      steps_at_seams == 0 ? kNotANumber : at_seams / static_cast<double>(steps_at_seams);
  if (!seams.empty()) {
    for (std::int64_t back = fade; back >= 0; --back) {
      double sum = 0.0;
      for (const std::int64_t seam : seams) sum += mean_change(frames, seam - back);
      figures.change_by_step.push_back(sum / static_cast<double>(seams.size()));
    }
  }
  figures.change_inside = others == 0 ? kNotANumber : inside / static_cast<double>(others);
  return figures;
}

TraceFigures measure_trace(const std::vector<at::Tensor>& blocks, std::int64_t context_frames,
                           std::int64_t fade) {
  TraceFigures figures;
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const at::Tensor& block = blocks[k];
    for (std::int64_t t = 1; t < block.size(0); ++t) {
      figures.steps.push_back(distance(block[t], block[t - 1]));
    }
    if (k == 0) continue;
    const at::Tensor& before = blocks[k - 1];
    const std::int64_t length = before.size(0);
    figures.first_frame.push_back(distance(block[0], before[length - context_frames]));
    figures.last_given.push_back(
        distance(block[context_frames - fade - 1], before[length - fade - 1]));
  }
  return figures;
}

}  // namespace echopath::evaluation
