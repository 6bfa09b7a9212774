#include "echopath/phantom/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/phantom/phantom.hpp"

namespace echopath::phantom {
namespace {

constexpr std::array<int, 6> kPercents = {5, 25, 50, 75, 95, 99};

bool central(int x, int y) {
  return y > 14 && y < 96 && std::abs(x - 56) < 0.55 * y + 2.0;
}

/// Sums over all clips.
struct Sums {
  std::array<double, 256> histogram{};
  double change = 0.0, change_count = 0.0;
  double texture_square = 0.0, texture_count = 0.0;
  std::array<double, 3> axial{}, axial_count{}, lateral{}, lateral_count{};
  std::array<double, 10> depth{}, depth_count{};
  std::vector<double> clip_means;
};

void add_texture(const std::uint8_t* frame, Sums& sums) {
  std::vector<float> texture(static_cast<std::size_t>(kImageSize) * kImageSize, 0.0F);
  auto at = [&texture](int x, int y) {
    return texture[static_cast<std::size_t>(y * kImageSize + x)];
  };
  for (int y = 2; y < kImageSize - 2; ++y) {
    for (int x = 2; x < kImageSize - 2; ++x) {
      int box = 0;
      for (int j = -2; j < 2; ++j) {
        for (int i = -2; i < 2; ++i) box += frame[(y + j) * kImageSize + x + i];
      }
      texture[static_cast<std::size_t>(y * kImageSize + x)] =
          static_cast<float>(frame[y * kImageSize + x]) - static_cast<float>(box) / 16.0F;
    }
  }
  for (int y = 15; y < 96; ++y) {
    for (int x = 2; x < kImageSize - 2; ++x) {
      if (!central(x, y)) continue;
      sums.texture_square += static_cast<double>(at(x, y)) * at(x, y);
      sums.texture_count += 1.0;
      for (int lag = 1; lag <= 3; ++lag) {
        const auto k = static_cast<std::size_t>(lag - 1);
        if (central(x, y + lag)) {
          sums.axial[k] += static_cast<double>(at(x, y)) * at(x, y + lag);
          sums.axial_count[k] += 1.0;
        }
        if (central(x + lag, y) && x + lag < kImageSize - 2) {
          sums.lateral[k] += static_cast<double>(at(x, y)) * at(x + lag, y);
          sums.lateral_count[k] += 1.0;
        }
      }
    }
  }
}

void add_frame(const std::uint8_t* frame, Sums& sums, double& clip_sum, double& clip_count) {
  for (int y = 0; y < kImageSize; ++y) {
    for (int x = 0; x < kImageSize; ++x) {
      const int value = frame[y * kImageSize + x];
      if (x >= kImageSize / 3 && x < kImageSize - kImageSize / 3) {
        const auto band = static_cast<std::size_t>(10 * y / kImageSize);
        sums.depth[band] += value;
        sums.depth_count[band] += 1.0;
      }
      if (!central(x, y)) continue;
      sums.histogram[static_cast<std::size_t>(value)] += 1.0;
      clip_sum += value;
      clip_count += 1.0;
    }
  }
  add_texture(frame, sums);
}

void add_change(const std::uint8_t* a, const std::uint8_t* b, Sums& sums) {
  for (int y = 15; y < 96; ++y) {
    for (int x = 0; x < kImageSize; ++x) {
      if (!central(x, y)) continue;
      sums.change += std::abs(static_cast<int>(a[y * kImageSize + x]) - b[y * kImageSize + x]);
      sums.change_count += 1.0;
    }
  }
}

void add_clip(const io::Frames& clip, Sums& sums) {
  if (clip.height != kImageSize || clip.width != kImageSize || clip.channels != 1) {
    throw DataError("phantom statistics: a clip is " + std::to_string(clip.width) + "x" +
                    std::to_string(clip.height) + "x" + std::to_string(clip.channels) +
                    "; grey 112x112 is needed");
  }
  const auto step = std::max<std::int64_t>(1, std::llround(0.120 * clip.fps));
  double sum = 0.0, count = 0.0;
  for (std::int64_t t = 0; t < clip.count; t += step) {
    add_frame(clip.frame(t), sums, sum, count);
    if (t + step < clip.count) add_change(clip.frame(t), clip.frame(t + step), sums);
  }
  sums.clip_means.push_back(sum / count);
}

}  // namespace

Statistics measure_statistics(const std::vector<io::Frames>& clips) {
  if (clips.empty()) throw DataError("phantom statistics: no clips given; at least one is needed");
  Sums sums;
  for (const auto& clip : clips) add_clip(clip, sums);

  Statistics s;
  double total = 0.0, weighted = 0.0, dark = 0.0;
  for (int g = 0; g < 256; ++g) {
    const double n = sums.histogram[static_cast<std::size_t>(g)];
    total += n;
    weighted += g * n;
    if (g < 10) dark += n;
  }
  s.mean = weighted / total;
  s.dark_share = 100.0 * dark / total;
  for (std::size_t p = 0; p < kPercents.size(); ++p) {
    double below = 0.0;
    int g = 0;
    while (g < 255) {
      below += sums.histogram[static_cast<std::size_t>(g)];
      if (below >= total * kPercents[p] / 100.0) break;
      ++g;
    }
    s.percentiles[p] = g;
  }
  double square = 0.0, mean = 0.0;
  for (double m : sums.clip_means) mean += m / static_cast<double>(sums.clip_means.size());
  for (double m : sums.clip_means) square += (m - mean) * (m - mean);
  s.spread_between_clips = std::sqrt(square / static_cast<double>(sums.clip_means.size()));
  s.frame_change = sums.change_count > 0 ? sums.change / sums.change_count : 0.0;
  const double variance = sums.texture_square / sums.texture_count;
  s.texture_deviation = std::sqrt(variance);
  for (std::size_t k = 0; k < 3; ++k) {
    s.axial[k] = sums.axial[k] / sums.axial_count[k] / variance;
    s.lateral[k] = sums.lateral[k] / sums.lateral_count[k] / variance;
  }
  for (std::size_t b = 0; b < 10; ++b) s.depth[b] = sums.depth[b] / sums.depth_count[b];
  return s;
}

const Statistics& real_statistics() {
  static const Statistics real = [] {
    Statistics s;
    s.percentiles = {0, 3, 27, 79, 163, 211};
    s.mean = 48;
    s.dark_share = 34;
    s.spread_between_clips = 10.7;
    s.frame_change = 20.6;
    s.texture_deviation = 20;
    s.axial = {0.35, 0.13, 0.07};
    s.lateral = {0.52, 0.09, -0.09};
    s.depth = {7, 43, 61, 45, 38, 36, 41, 39, 40, 69};
    return s;
  }();
  return real;
}

std::vector<StatisticsRow> compare_statistics(const Statistics& real, const Statistics& phantom) {
  std::vector<StatisticsRow> rows;
  for (std::size_t p = 0; p < kPercents.size(); ++p) {
    rows.push_back({"percentile " + std::to_string(kPercents[p]), real.percentiles[p],
                    phantom.percentiles[p]});
  }
  rows.push_back({"mean grey", real.mean, phantom.mean});
  rows.push_back({"share of pixels below 10, %", real.dark_share, phantom.dark_share});
  rows.push_back({"spread of clip means between patients", real.spread_between_clips,
                  phantom.spread_between_clips});
  rows.push_back({"mean |change| over 120 ms", real.frame_change, phantom.frame_change});
  rows.push_back({"texture standard deviation", real.texture_deviation, phantom.texture_deviation});
  for (std::size_t k = 0; k < 3; ++k) {
    rows.push_back({"axial autocorrelation, " + std::to_string(k + 1) + " px", real.axial[k],
                    phantom.axial[k]});
  }
  for (std::size_t k = 0; k < 3; ++k) {
    rows.push_back({"lateral autocorrelation, " + std::to_string(k + 1) + " px", real.lateral[k],
                    phantom.lateral[k]});
  }
  for (std::size_t b = 0; b < 10; ++b) {
    rows.push_back(
        {"mean grey, depth band " + std::to_string(b + 1), real.depth[b], phantom.depth[b]});
  }
  return rows;
}

}  // namespace echopath::phantom
