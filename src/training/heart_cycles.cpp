#include "training/heart_cycles.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/data/heartbeat.hpp"

namespace echopath::training {
namespace {

using Pattern = std::vector<std::complex<double>>;

constexpr double kTurn = 2.0 * std::numbers::pi;
constexpr int kRounds = 50;
/// Least agreement with the common pattern, a cosine, at which a video's phase is believed.
/// Patterns of single videos are noisy.
constexpr double kAgreement = 0.15;
/// Parts of the cycle in which motion is compared.
constexpr std::int64_t kParts = 24;

/// A video with a clear beat, and what of it goes with the beat: x(t) = Re(pattern · e^{i·rate·t}).
struct Beating {
  const LatentItem* item;
  double rate;  ///< radians a frame
  Pattern pattern;
  std::vector<double> motion;  ///< of frames 1 to T − 2: mean square of the difference around them
  double phase = 0.0;          ///< radians at frame 0
};

/// Means over 2×2 latents, [T, D] in double precision.
at::Tensor coarse_frames(const LatentItem& item) {
  const at::Tensor frames = item.latents.mean.index_select(0, at::tensor(item.frames, at::kLong));
  const bool small = std::min(frames.size(2), frames.size(3)) < 2;
  return (small ? frames : at::avg_pool2d(frames, 2)).flatten(1).to(at::kDouble).contiguous();
}

Pattern pattern_of(const at::Tensor& frames, double rate) {
  const at::Tensor phase = at::arange(frames.size(0), at::kDouble) * rate;
  const at::Tensor basis = at::stack({at::ones_like(phase), phase.cos(), phase.sin()}, 1);
  const at::Tensor fit =
      at::linalg_solve(basis.t().matmul(basis), basis.t().matmul(frames)).contiguous();
  const std::int64_t width = frames.size(1);
  const double* cosine = fit.const_data_ptr<double>() + width;
  const double* sine = cosine + width;
  Pattern pattern;
  double square = 0.0;
  for (std::int64_t i = 0; i < width; ++i) {
    pattern.emplace_back(cosine[i], -sine[i]);
    square += std::norm(pattern.back());
  }
  for (std::complex<double>& value : pattern) value /= std::sqrt(square);
  return pattern;
}

std::optional<Beating> beating(const LatentItem& item, double fps) {
  const at::Tensor frames = coarse_frames(item);
  data::CoarseVideo video{frames.size(0), frames.size(1), {}};
  video.values.assign(frames.const_data_ptr<double>(),
                      frames.const_data_ptr<double>() + frames.numel());
  const data::Heartbeat beat = data::measure_heartbeat(video, fps, {});
  if (!beat.clear) return std::nullopt;
  Beating found{&item, kTurn / beat.period, {}, {}};
  found.pattern = pattern_of(frames, found.rate);
  const at::Tensor motion =
      (frames.slice(0, 2) - frames.slice(0, 0, -2)).square().mean(1).contiguous();
  found.motion.assign(motion.const_data_ptr<double>(),
                      motion.const_data_ptr<double>() + motion.numel());
  return found;
}

std::complex<double> product(const Pattern& a, const Pattern& b) {
  std::complex<double> sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * std::conj(b[i]);
  return sum;
}

/// Cosine between a video and the sum of the others, `common` being the sum of all.
double agreement_with_others(const Beating& video, const Pattern& common) {
  const std::complex<double> turn = std::polar(1.0, -video.phase);
  Pattern others = common;
  for (std::size_t i = 0; i < others.size(); ++i) others[i] -= video.pattern[i] * turn;
  const double norm = std::sqrt(product(others, others).real());
  return norm > 0.0 ? std::abs(product(video.pattern, others)) / norm : 0.0;
}

/// Sets the phases and leaves only videos that agree with the common pattern.
void synchronise(std::vector<Beating>& videos) {
  if (videos.empty()) return;
  Pattern common = videos.front().pattern;
  for (int round = 0; round < kRounds; ++round) {
    Pattern sum(common.size());
    for (Beating& video : videos) {
      video.phase = std::arg(product(video.pattern, common));
      const std::complex<double> turn = std::polar(1.0, -video.phase);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += video.pattern[i] * turn;
    }
    common = sum;
  }
  std::vector<Beating> kept;
  for (Beating& video : videos) {
    if (agreement_with_others(video, common) >= kAgreement) kept.push_back(std::move(video));
  }
  videos = std::move(kept);
}

/// The phase, in radians, at which the videos move least on the mean.
double stillest_phase(const std::vector<Beating>& videos) {
  std::vector<double> motion(kParts, 0.0), count(kParts, 0.0);
  for (const Beating& video : videos) {
    double mean = 0.0;
    for (const double value : video.motion) mean += value;
    mean /= static_cast<double>(video.motion.size());
    for (std::size_t i = 0; i < video.motion.size(); ++i) {
      const double turns = (video.phase + video.rate * static_cast<double>(i + 1)) / kTurn;
      const auto part = static_cast<std::size_t>((turns - std::floor(turns)) * kParts) % kParts;
      motion[part] += video.motion[i] / mean;
      count[part] += 1.0;
    }
  }
  std::size_t still = 0;
  double least = std::numeric_limits<double>::max();
  for (std::size_t part = 0; part < kParts; ++part) {
    double sum = 0.0, frames = 0.0;  // with its neighbours
    for (const std::size_t near : {part + kParts - 1, part, part + 1}) {
      sum += motion[near % kParts];
      frames += count[near % kParts];
    }
    if (frames > 0.0 && sum / frames < least) {
      least = sum / frames;
      still = part;
    }
  }
  return kTurn * (static_cast<double>(still) + 0.5) / kParts;
}

}  // namespace

HeartCycles::HeartCycles(const LatentSource& source, const LatentDataOptions& options)
    : fps_(options.fps) {
  std::vector<Beating> videos;
  std::size_t clear = 0;  // of the training videos, which are first
  for (const auto* items : {&source.train(), &source.val()}) {
    for (const LatentItem& item : *items) {
      throw_if_interrupted("stopped while heart cycles were measured; no step was made");
      std::optional<Beating> found = beating(item, fps_);
      if (found) videos.push_back(std::move(*found));
    }
    if (items == &source.train()) clear = videos.size();
  }
  synchronise(videos);
  const double still = stillest_phase(videos);
  for (const Beating& video : videos) {
    const double turns = (video.phase - still) / kTurn;
    cycles_[video.item] = {60.0 * fps_ * video.rate / kTurn, turns - std::floor(turns)};
  }
  const std::size_t all = source.train().size();
  const auto known = static_cast<std::size_t>(
      std::count_if(source.train().begin(), source.train().end(),
                    [&](const LatentItem& item) { return of(item).has_value(); }));
  if (2 * known < all) {
    throw DataError(options.latents + ": the heart's cycle is found in " + std::to_string(known) +
                    " of " + std::to_string(all) + " training videos (" + std::to_string(clear) +
                    " have a clear beat); it needs two beats a video and one view; an LVDM can be "
                    "trained with heart_cycle_conditioning=false and two input channels less, a "
                    "LIDM with heart_phase_window=0.5");
  }
  log_info("heart cycle: found in " + std::to_string(known) + " of " + std::to_string(all) +
           " training videos");
}

std::optional<models::HeartCycle> HeartCycles::of(const LatentItem& item) const {
  const auto found = cycles_.find(&item);
  if (found == cycles_.end()) return std::nullopt;
  return found->second;
}

models::HeartRates HeartCycles::rates(const std::vector<LatentItem>& items,
                                      const std::vector<std::string>& names) const {
  std::map<std::string, std::vector<double>> rates;
  for (const std::string& name : names) rates[name];
  for (const LatentItem& item : items) {
    const auto cycle = of(item);
    if (cycle) {
      rates[names.at(static_cast<std::size_t>(item.label))].push_back(cycle->beats_per_minute);
    }
  }
  return models::HeartRates::of(rates);
}

std::vector<std::int64_t> HeartCycles::still_frames(const LatentItem& item, double window) const {
  std::vector<std::int64_t> frames;
  const auto cycle = of(item);
  if (!cycle) return frames;
  double nearest = 1.0;
  std::int64_t nearest_frame = 0;
  for (std::int64_t t = 0; t < static_cast<std::int64_t>(item.frames.size()); ++t) {
    const double turns = cycle->after(static_cast<double>(t) / fps_).start;
    const double away = std::min(turns, 1.0 - turns);
    if (away <= window) frames.push_back(t);
    if (away < nearest) {
      nearest = away;
      nearest_frame = t;
    }
  }
  if (frames.empty()) frames.push_back(nearest_frame);
  return frames;
}

HeartFrames::HeartFrames(const HeartCycles& cycles, const LatentSource& source, double window) {
  for (const auto* items : {&source.train(), &source.val()}) {
    for (const LatentItem& item : *items) {
      std::vector<std::int64_t> frames = cycles.still_frames(item, window);
      if (!frames.empty()) frames_.emplace(&item, std::move(frames));
    }
  }
  const std::size_t others = source.train().size() + source.val().size() - frames_.size();
  if (others > 0) {
    log_warning("heart_phase_window: any frame is taken of " + std::to_string(others) +
                " videos, in which the heart's cycle is not found");
  }
}

std::int64_t HeartFrames::choose(const LatentItem& item, const NoiseKey& key,
                                 std::uint32_t place) const {
  const auto found = frames_.find(&item);
  if (found == frames_.end()) {
    return uniform_integer(key, static_cast<std::int64_t>(item.frames.size()), place);
  }
  const auto count = static_cast<std::int64_t>(found->second.size());
  return found->second[static_cast<std::size_t>(uniform_integer(key, count, place))];
}

}  // namespace echopath::training
