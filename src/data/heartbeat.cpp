#include "echopath/data/heartbeat.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace echopath::data {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kCells = 14;
/// How near to the highest peak of the autocorrelation a shorter lag's must be to be the period.
constexpr double kFirstPeak = 0.85;
/// Where the period of a block is looked for, in periods of the video.
constexpr double kShortest = 0.6, kLongest = 1.4;

/// The values less their mean over the slowest beat around them: what is left moves faster than
/// breathing and drift.
std::vector<double> without_drift(const CoarseVideo& video, std::int64_t window) {
  std::vector<double> result = video.values;
  for (std::int64_t i = 0; i < video.width; ++i) {
    std::vector<double> sums = {0.0};
    for (std::int64_t t = 0; t < video.count; ++t) sums.push_back(sums.back() + video.frame(t)[i]);
    for (std::int64_t t = 0; t < video.count; ++t) {
      const std::int64_t begin = std::max<std::int64_t>(0, t - window / 2);
      const std::int64_t end = std::min(video.count, t + window / 2 + 1);
      const double sum =
          sums[static_cast<std::size_t>(end)] - sums[static_cast<std::size_t>(begin)];
      result[static_cast<std::size_t>(t * video.width + i)] -=
          sum / static_cast<double>(end - begin);
    }
  }
  return result;
}

/// Products of the frames of a video without its drift.
class Products {
 public:
  Products(const CoarseVideo& video, std::int64_t window) : count_(video.count) {
    const std::vector<double> centred = without_drift(video, window);
    products_.resize(static_cast<std::size_t>(count_ * count_));
    for (std::int64_t t = 0; t < count_; ++t) {
      for (std::int64_t u = 0; u <= t; ++u) {
        const double* a = centred.data() + t * video.width;
        const double* b = centred.data() + u * video.width;
        double sum = 0.0;
        for (std::int64_t i = 0; i < video.width; ++i) sum += a[i] * b[i];
        at(t, u) = at(u, t) = sum;
      }
    }
  }

  std::int64_t count() const { return count_; }
  double operator()(std::int64_t t, std::int64_t u) const {
    return products_[static_cast<std::size_t>(t * count_ + u)];
  }

  /// Correlation of the frames of a range with those `lag` frames after and before them, as far as
  /// there are any.
  double correlation(const FrameRange& range, std::int64_t lag) const {
    double both = 0.0, here = 0.0, there = 0.0;
    for (std::int64_t t = range.begin; t < range.end; ++t) {
      for (const std::int64_t u : {t - lag, t + lag}) {
        if (u < 0 || u >= count_) continue;
        both += (*this)(t, u);
        here += (*this)(t, t);
        there += (*this)(u, u);
      }
    }
    return here > 0.0 && there > 0.0 ? both / std::sqrt(here * there) : 0.0;
  }

 private:
  double& at(std::int64_t t, std::int64_t u) {
    return products_[static_cast<std::size_t>(t * count_ + u)];
  }

  std::int64_t count_;
  std::vector<double> products_;
};

/// Where the parabola through three neighbouring values has its top, from the middle one.
double vertex(double before, double top, double after) {
  const double bend = before - 2.0 * top + after;
  return bend < 0.0 ? 0.5 * (before - after) / bend : 0.0;
}

/// The lag of the first high peak in `correlations`, which start at lag 0; 0 where there is none.
std::int64_t first_high_peak(const std::vector<double>& correlations, std::int64_t shortest,
                             std::int64_t longest) {
  std::vector<std::int64_t> peaks;
  double highest = 0.0;
  for (std::int64_t lag = std::max<std::int64_t>(1, shortest); lag <= longest; ++lag) {
    const auto i = static_cast<std::size_t>(lag);
    if (i + 1 >= correlations.size()) break;
    const double value = correlations[i];
    if (value < correlations[i - 1] || value <= correlations[i + 1] || value <= 0.0) continue;
    peaks.push_back(lag);
    highest = std::max(highest, value);
  }
  for (const std::int64_t lag : peaks) {
    if (correlations[static_cast<std::size_t>(lag)] >= kFirstPeak * highest) return lag;
  }
  return 0;
}

/// The period in one block; not a number where its frames come back best at the edge of what is
/// looked at.
double period_of_block(const Products& products, const FrameRange& block, double period) {
  const auto shortest = static_cast<std::int64_t>(std::floor(kShortest * period));
  const auto longest = static_cast<std::int64_t>(std::ceil(kLongest * period));
  std::vector<double> values;
  for (std::int64_t lag = shortest; lag <= longest; ++lag) {
    values.push_back(products.correlation(block, lag));
  }
  const auto top = std::max_element(values.begin(), values.end());
  if (top == values.begin() || top + 1 == values.end()) return kNotANumber;
  return static_cast<double>(shortest + (top - values.begin())) +
         vertex(*(top - 1), *top, *(top + 1));
}

double variation_of(const std::vector<double>& rates) {
  double lowest = std::numeric_limits<double>::max(), highest = 0.0, sum = 0.0;
  for (const double rate : rates) {
    if (std::isnan(rate)) return kNotANumber;
    lowest = std::min(lowest, rate);
    highest = std::max(highest, rate);
    sum += rate;
  }
  return rates.empty() ? kNotANumber
                       : (highest - lowest) / (sum / static_cast<double>(rates.size()));
}

}  // namespace

CoarseVideo make_coarse(const io::Frames& frames) {
  const std::int64_t cell =
      std::max<std::int64_t>(1, std::min(frames.height, frames.width) / kCells);
  const std::int64_t rows = frames.height / cell, columns = frames.width / cell;
  CoarseVideo video{frames.count, rows * columns, {}};
  video.values.resize(static_cast<std::size_t>(frames.count * video.width));
  for (std::int64_t t = 0; t < frames.count; ++t) {
    double* out = video.values.data() + t * video.width;
    const std::uint8_t* in = frames.frame(t);
    for (std::int64_t y = 0; y < rows * cell; ++y) {
      for (std::int64_t x = 0; x < columns * cell; ++x) {
        out[y / cell * columns + x / cell] += in[y * frames.width + x];
      }
    }
    for (std::int64_t i = 0; i < video.width; ++i) out[i] /= static_cast<double>(cell * cell);
  }
  return video;
}

Heartbeat measure_heartbeat(const CoarseVideo& video, double fps,
                            const std::vector<FrameRange>& blocks) {
  const auto shortest = static_cast<std::int64_t>(std::floor(60.0 * fps / kFastestBeat));
  const auto longest = static_cast<std::int64_t>(std::ceil(60.0 * fps / kSlowestBeat));
  const Products products(video, longest);
  // Half a beat must be left to compare.
  const std::int64_t last = std::min(longest + 1, video.count - shortest / 2 - 1);
  std::vector<double> correlations;
  for (std::int64_t lag = 0; lag <= last; ++lag) {
    correlations.push_back(products.correlation({0, video.count}, lag));
  }
  Heartbeat beat;
  beat.block_rates.assign(blocks.size(), kNotANumber);
  beat.period = beat.beats_per_minute = beat.variation = kNotANumber;
  const std::int64_t lag = first_high_peak(correlations, shortest, longest);
  if (lag == 0) return beat;
  const auto peak = correlations.begin() + lag;
  beat.period = static_cast<double>(lag) + vertex(*(peak - 1), *peak, *(peak + 1));
  beat.beats_per_minute = 60.0 * fps / beat.period;
  beat.correlation = *peak;
  beat.rise = *peak - *std::min_element(correlations.begin(), peak);
  beat.clear = beat.correlation >= kClearBeat && beat.rise >= kClearBeat;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    beat.block_rates[i] = 60.0 * fps / period_of_block(products, blocks[i], beat.period);
  }
  beat.variation = variation_of(beat.block_rates);
  return beat;
}

}  // namespace echopath::data
