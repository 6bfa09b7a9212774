#pragma once

#include <cstdint>
#include <vector>

#include "anatomy.hpp"
#include "echopath/phantom/patient.hpp"

namespace echopath::phantom {

/// The sector in the image: from millimetres at the probe to pixels.
struct SectorGeometry {
  explicit SectorGeometry(const AcousticParameters& a);
  float mm_per_pixel;
  float top_pixels;
  Point to_pixels(Point mm) const;
  Point to_mm(Point pixels) const;
};

/// Beams × range samples of complex echo, and the way from there to the image: pulse, beam,
/// envelope, log compression, scan conversion. Row-major with the beam index fastest.
class Beamformer {
 public:
  static constexpr int kLines = 128;
  static constexpr int kSamples = 256;
  static constexpr int kMargin = 8;  ///< empty cells on each side, for the kernels' tails
  static constexpr int kAxialReach = 4;
  static constexpr int kStride = kLines + 2 * kMargin;
  static constexpr int kHeight = kSamples + 2 * kMargin;

  Beamformer(const AcousticParameters& acoustics, std::uint64_t seed);

  /// Empties the echo buffers.
  void clear();
  /// Adds `count` echoes of amplitude `weight` at positions in mm.
  void add(const float* x, const float* y, const float* weight, int count);
  /// Turns the echoes into 112×112 grey values.
  void form_image(std::uint8_t* image);

  /// Whether a pixel (row-major index) lies in the sector.
  bool in_sector(int pixel) const { return index_[static_cast<std::size_t>(pixel)] >= 0; }

 private:
  void build_kernels(const AcousticParameters& a);
  void build_gain(const AcousticParameters& a, std::uint64_t seed);
  void build_scan_conversion(const AcousticParameters& a);
  void filter_range();
  void filter_lateral();
  void compress();

  float sample_spacing_, line_spacing_, half_angle_, wave_number_;
  float grey_per_db_, grey_offset_;
  std::vector<float> real_, imaginary_;  // [kHeight][kStride]
  std::vector<float> real_filtered_, imaginary_filtered_;
  std::vector<float> grey_;     // [kHeight][kStride]
  std::vector<float> gain_;     // power gain, [kSamples][kLines]
  std::vector<float> lateral_;  // [kSamples][2 kMargin + 1]
  std::vector<int> reach_;      // of the lateral kernel, [kSamples]
  float axial_[2 * kAxialReach + 1];
  std::vector<int> index_;       // of each pixel's first cell, −1 outside
  std::vector<float> fraction_;  // [pixels][2]
};

}  // namespace echopath::phantom
