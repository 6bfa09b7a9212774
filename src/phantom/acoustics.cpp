#include "acoustics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "echopath/phantom/phantom.hpp"
#include "raster.hpp"
#include "rng.hpp"

namespace echopath::phantom {
namespace {

constexpr float kPiF = 3.14159265F;
constexpr int kPhases = 1024;
constexpr double kWhiteDb = 18.3;  ///< level of white over that of plain tissue

/// cos and sin over one turn.
const std::array<float, 2 * kPhases>& phase_table() {
  static const auto table = [] {
    std::array<float, 2 * kPhases> t{};
    for (int i = 0; i < kPhases; ++i) {
      t[2 * i] = std::cos(2.0F * kPiF * static_cast<float>(i) / kPhases);
      t[2 * i + 1] = std::sin(2.0F * kPiF * static_cast<float>(i) / kPhases);
    }
    return t;
  }();
  return table;
}

/// 10 log10(x) to 0.03 dB for positive x.
inline float decibel(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const float exponent = static_cast<float>(static_cast<int>(bits >> 23) - 127);
  const float m = std::bit_cast<float>((bits & 0x007FFFFFU) | 0x3F800000U);
  const float log2 =
      exponent - 2.153620718F + m * (3.047884161F + m * (-1.051875031F + m * 0.158248693F));
  return 3.01029996F * log2;
}

/// atan(t) for |t| < 1.4, to 3e-5.
inline float arc_tangent(float t) {
  const float s = t * t;
  return t * (0.99997726F +
              s * (-0.33262347F +
                   s * (0.19354346F + s * (-0.11643287F + s * (0.05265332F - 0.01172120F * s)))));
}

}  // namespace

SectorGeometry::SectorGeometry(const AcousticParameters& a)
    : mm_per_pixel(static_cast<float>(a.depth / (kImageSize - a.top_pixels))),
      top_pixels(static_cast<float>(a.top_pixels)) {}

Point SectorGeometry::to_pixels(Point mm) const {
  return {mm.x / mm_per_pixel + 0.5F * kImageSize, mm.y / mm_per_pixel + top_pixels};
}

Point SectorGeometry::to_mm(Point pixels) const {
  return {(pixels.x - 0.5F * kImageSize) * mm_per_pixel, (pixels.y - top_pixels) * mm_per_pixel};
}

Beamformer::Beamformer(const AcousticParameters& a, std::uint64_t seed)
    : sample_spacing_(static_cast<float>(a.depth) / kSamples),
      line_spacing_(2.0F * static_cast<float>(a.half_angle) / (kLines - 1)),
      half_angle_(static_cast<float>(a.half_angle)),
      wave_number_(2.0F * kPhases / static_cast<float>(a.wavelength)),
      grey_per_db_(255.0F / static_cast<float>(a.dynamic_range_db)),
      grey_offset_(255.0F * (1.0F - static_cast<float>(kWhiteDb / a.dynamic_range_db))) {
  const std::size_t cells = static_cast<std::size_t>(kHeight) * kStride;
  for (auto* buffer : {&real_, &imaginary_, &real_filtered_, &imaginary_filtered_, &grey_}) {
    buffer->assign(cells, 0.0F);
  }
  build_kernels(a);
  build_gain(a, seed);
  build_scan_conversion(a);
}

void Beamformer::build_kernels(const AcousticParameters& a) {
  const float sigma = static_cast<float>(a.pulse_sigma) / sample_spacing_;
  for (int k = -kAxialReach; k <= kAxialReach; ++k) {
    axial_[k + kAxialReach] = std::exp(-0.5F * static_cast<float>(k * k) / (sigma * sigma));
  }
  const int taps = 2 * kMargin + 1;
  lateral_.assign(static_cast<std::size_t>(kSamples) * taps, 0.0F);
  reach_.assign(kSamples, 0);
  for (int row = 0; row < kSamples; ++row) {
    const float depth = sample_spacing_ * (static_cast<float>(row) + 0.5F);
    // Angular width of a focused aperture: diffraction, and defocus away from the focal depth,
    // which dynamic focusing on receive keeps small beyond it.
    const float off = static_cast<float>(a.focus) / std::max(depth, 12.0F) - 1.0F;
    const float defocus = (off > 0.0F ? 0.070F : 0.015F) * off;
    const float beam = static_cast<float>(a.beam_sigma);
    const float angle = std::sqrt(beam * beam + 0.10F * defocus * defocus);
    const float lines = std::clamp(angle / line_spacing_, 0.5F, 4.0F);
    reach_[row] = std::min(kMargin, static_cast<int>(std::ceil(2.2F * lines)));
    for (int k = -reach_[row]; k <= reach_[row]; ++k) {
      lateral_[static_cast<std::size_t>(row * taps + k + kMargin)] =
          std::exp(-0.5F * static_cast<float>(k * k) / (lines * lines));
    }
  }
}

void Beamformer::build_gain(const AcousticParameters& a, std::uint64_t seed) {
  gain_.assign(static_cast<std::size_t>(kSamples) * kLines, 0.0F);
  const SmoothNoise shadow(Rng::derive(seed, 21), 0.16F);  // over angle, stretched in depth
  const SmoothNoise patches(Rng::derive(seed, 22), 1.0F);
  const int taps = 2 * kMargin + 1;
  float axial_energy = 0.0F;
  for (float tap : axial_) axial_energy += tap * tap;
  for (int row = 0; row < kSamples; ++row) {
    const float depth = sample_spacing_ * (static_cast<float>(row) + 0.5F);
    const float f = depth / static_cast<float>(a.depth);
    float lateral_energy = 0.0F;
    for (int k = 0; k < taps; ++k) {
      const float tap = lateral_[static_cast<std::size_t>(row * taps + k)];
      lateral_energy += tap * tap;
    }
    // Power of unit tissue in one cell after the pulse and the beam: dividing by it makes tissue as
    // bright at every depth, which is what a machine's time gain is for.
    const float cell = sample_spacing_ * line_spacing_ * depth;
    const float level = cell * axial_energy * lateral_energy;
    for (int line = 0; line < kLines; ++line) {
      const float angle = -half_angle_ + line_spacing_ * static_cast<float>(line);
      const float edge = angle / half_angle_;
      float db = static_cast<float>(a.gain_db) + static_cast<float>(a.far_gain_db) * (f - 0.5F);
      db -= static_cast<float>(edge < 0 ? a.left_dropout_db : a.right_dropout_db) *
            std::pow(std::abs(edge), 2.2F) * std::min(1.0F, 0.35F + f);
      const float lost = shadow.at(angle, 0.05F * f) - 0.4F;
      db -= static_cast<float>(a.shadow_db) * std::max(0.0F, lost) * std::min(1.0F, 3.0F * f);
      db += 2.0F * patches.at(angle / 0.22F, f * 5.0F);
      // A short dead zone under the probe.
      db -= 24.0F * std::max(0.0F, 1.0F - depth / 36.0F);
      db -= 1.5F + 1.5F * std::sin(kPiF * std::clamp((f - 0.15F) / 0.75F, 0.0F, 1.0F));
      gain_[static_cast<std::size_t>(row * kLines + line)] = std::pow(10.0F, 0.1F * db) / level;
    }
  }
}

void Beamformer::build_scan_conversion(const AcousticParameters& a) {
  const SectorGeometry geometry(a);
  index_.assign(static_cast<std::size_t>(kImageSize) * kImageSize, -1);
  fraction_.assign(index_.size() * 2, 0.0F);
  for (int y = 0; y < kImageSize; ++y) {
    for (int x = 0; x < kImageSize; ++x) {
      const Point p = geometry.to_mm({static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F});
      const float range = std::hypot(p.x, p.y) / sample_spacing_ - 0.5F;
      const float line = (std::atan2(p.x, p.y) + half_angle_) / line_spacing_;
      if (p.y <= 0 || range < 1 || line < 0 || range >= kSamples - 2 || line >= kLines - 1)
        continue;
      const int pixel = y * kImageSize + x;
      const int row = static_cast<int>(range), column = static_cast<int>(line);
      index_[static_cast<std::size_t>(pixel)] = (row + kMargin) * kStride + column + kMargin;
      fraction_[static_cast<std::size_t>(2 * pixel)] = range - static_cast<float>(row);
      fraction_[static_cast<std::size_t>(2 * pixel + 1)] = line - static_cast<float>(column);
    }
  }
}

void Beamformer::clear() {
  std::fill(real_.begin(), real_.end(), 0.0F);
  std::fill(imaginary_.begin(), imaginary_.end(), 0.0F);
}

void Beamformer::add(const float* x, const float* y, const float* weight, int count) {
  constexpr int kBlock = 256;
  float range[kBlock], line[kBlock], phase[kBlock];
  const float per_line = 1.0F / line_spacing_, per_sample = 1.0F / sample_spacing_;
  const auto& table = phase_table();
  for (int begin = 0; begin < count; begin += kBlock) {
    const int n = std::min(kBlock, count - begin);
    for (int i = 0; i < n; ++i) {
      const float px = x[begin + i], py = std::max(y[begin + i], 0.5F);
      const float r = std::sqrt(px * px + py * py);
      range[i] = r * per_sample - 0.5F + kMargin;
      line[i] = (arc_tangent(px / py) + half_angle_) * per_line + kMargin;
      phase[i] = r * wave_number_;
    }
    for (int i = 0; i < n; ++i) {
      if (!(range[i] > 2.0F && range[i] < kHeight - 3.0F && line[i] > 0.0F &&
            line[i] < kStride - 2.0F)) {
        continue;
      }
      const int row = static_cast<int>(range[i]), column = static_cast<int>(line[i]);
      const float u = range[i] - static_cast<float>(row), v = line[i] - static_cast<float>(column);
      const int turn = (static_cast<int>(phase[i]) & (kPhases - 1)) * 2;
      const float w = weight[begin + i];
      const float re = w * table[turn], im = w * table[turn + 1];
      float* a = &real_[static_cast<std::size_t>(row * kStride + column)];
      float* b = &imaginary_[static_cast<std::size_t>(row * kStride + column)];
      const float w00 = (1 - u) * (1 - v), w01 = (1 - u) * v, w10 = u * (1 - v), w11 = u * v;
      a[0] += w00 * re;
      a[1] += w01 * re;
      a[kStride] += w10 * re;
      a[kStride + 1] += w11 * re;
      b[0] += w00 * im;
      b[1] += w01 * im;
      b[kStride] += w10 * im;
      b[kStride + 1] += w11 * im;
    }
  }
}

void Beamformer::filter_range() {
  auto filter = [this](const std::vector<float>& in, std::vector<float>& out) {
    for (int row = kMargin - 1; row < kMargin + kSamples + 1; ++row) {
      const float* centre = &in[static_cast<std::size_t>(row * kStride)];
      float* to = &out[static_cast<std::size_t>(row * kStride)];
      for (int i = 0; i < kStride; ++i) {
        to[i] = axial_[0] * (centre[i - 4 * kStride] + centre[i + 4 * kStride]) +
                axial_[1] * (centre[i - 3 * kStride] + centre[i + 3 * kStride]) +
                axial_[2] * (centre[i - 2 * kStride] + centre[i + 2 * kStride]) +
                axial_[3] * (centre[i - kStride] + centre[i + kStride]) + axial_[4] * centre[i];
      }
    }
  };
  filter(real_, real_filtered_);
  filter(imaginary_, imaginary_filtered_);
}

void Beamformer::filter_lateral() {
  constexpr int kTaps = 2 * kMargin + 1;
  for (int row = 0; row < kSamples; ++row) {
    const std::size_t offset = static_cast<std::size_t>((row + kMargin) * kStride + kMargin);
    const float* re = &real_filtered_[offset];
    const float* im = &imaginary_filtered_[offset];
    const float* taps = &lateral_[static_cast<std::size_t>(row * kTaps + kMargin)];
    float a[kLines] = {}, b[kLines] = {};
    for (int k = -reach_[row]; k <= reach_[row]; ++k) {
      const float tap = taps[k];
      for (int i = 0; i < kLines; ++i) {
        a[i] += tap * re[i + k];
        b[i] += tap * im[i + k];
      }
    }
    const float* gain = &gain_[static_cast<std::size_t>(row * kLines)];
    float* grey = &grey_[offset];
    for (int i = 0; i < kLines; ++i) {
      grey[i] = (a[i] * a[i] + b[i] * b[i]) * gain[i];
    }
  }
}

void Beamformer::compress() {
  for (int row = 0; row < kSamples; ++row) {
    float* grey = &grey_[static_cast<std::size_t>((row + kMargin) * kStride + kMargin)];
    for (int i = 0; i < kLines; ++i) {
      const float level = grey_offset_ + grey_per_db_ * decibel(grey[i] + 1e-9F);
      grey[i] = std::clamp(level, 0.0F, 255.0F);
    }
  }
}

void Beamformer::form_image(std::uint8_t* image) {
  filter_range();
  filter_lateral();
  compress();
  for (int pixel = 0; pixel < kImageSize * kImageSize; ++pixel) {
    const int index = index_[static_cast<std::size_t>(pixel)];
    if (index < 0) {
      image[pixel] = 0;
      continue;
    }
    const float* cell = &grey_[static_cast<std::size_t>(index)];
    const float u = fraction_[static_cast<std::size_t>(2 * pixel)];
    const float v = fraction_[static_cast<std::size_t>(2 * pixel + 1)];
    const float value = (1 - u) * ((1 - v) * cell[0] + v * cell[1]) +
                        u * ((1 - v) * cell[kStride] + v * cell[kStride + 1]);
    image[pixel] = static_cast<std::uint8_t>(value + 0.5F);
  }
}

}  // namespace echopath::phantom
