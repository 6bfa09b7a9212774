#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "echopath/phantom/phantom.hpp"
#include "phantom/anatomy.hpp"

namespace echopath::phantom {
namespace {

using Image = std::vector<std::uint8_t>;

Image render(Simulator& simulator, double seconds, Image* mask = nullptr) {
  Image image(kImageSize * kImageSize);
  if (mask != nullptr) mask->resize(image.size());
  simulator.render(seconds, image.data(), mask == nullptr ? nullptr : mask->data());
  return image;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<int>(a[i]) - b[i]);
  return sum / static_cast<double>(a.size());
}

/// A patient seen through a clear window: nothing in front of the heart, no losses, all of it in
/// the sector.
PatientParameters clear_view(const std::string& class_name, std::uint64_t seed) {
  PatientParameters p = sample_patient(class_name, seed);
  p.heart.breathing_amplitude = 0.0;
  p.heart.beat_variation = 0.0;
  p.acoustics.clutter_db = -90.0;
  p.acoustics.near_clutter_db = -90.0;
  p.acoustics.shadow_db = 0.0;
  p.acoustics.left_dropout_db = p.acoustics.right_dropout_db = 0.0;
  p.acoustics.depth = 215.0;
  p.acoustics.half_angle = 0.95;
  return p;
}

TEST(PhantomSimulator, SamePatientAndTimeGiveTheSameBytes) {
  const auto patient = sample_patient("ASD", 7);
  Simulator first(patient), second(patient);
  Image mask_first, mask_second;
  const Image a = render(first, 0.31, &mask_first);
  render(second, 0.05);  // another order of frames
  const Image b = render(second, 0.31, &mask_second);
  EXPECT_EQ(a, b);
  EXPECT_EQ(mask_first, mask_second);
}

TEST(PhantomSimulator, AnotherSeedGivesAnotherVideo) {
  Simulator first(sample_patient("ASD", 7)), second(sample_patient("ASD", 8));
  EXPECT_GT(mean_difference(render(first, 0.0), render(second, 0.0)), 10.0);
}

TEST(PhantomSimulator, FrozenHeartGivesAStandingImage) {
  auto patient = sample_patient("PAH", 4);
  patient.heart.motion_scale = 0.0;
  Simulator simulator(patient);
  const Image start = render(simulator, 0.0);
  for (double seconds : {0.1, 0.37, 1.9}) EXPECT_EQ(render(simulator, seconds), start);
}

TEST(PhantomSimulator, ImageIsBlackOutsideTheSector) {
  auto patient = sample_patient("Non-PAH", 5);
  patient.acoustics.half_angle = 0.6;
  patient.acoustics.top_pixels = 4.0;
  Simulator simulator(patient);
  const Image image = render(simulator, 0.2);
  double inside = 0.0;
  for (int y = 0; y < kImageSize; ++y) {
    for (int x = 0; x < kImageSize; ++x) {
      const double angle = std::atan2(x + 0.5 - 56.0, y + 0.5 - 4.0);
      if (y < 4 || std::abs(angle) > 0.61) {
        EXPECT_EQ(image[static_cast<std::size_t>(y * kImageSize + x)], 0) << x << ' ' << y;
      } else {
        inside += image[static_cast<std::size_t>(y * kImageSize + x)];
      }
    }
  }
  EXPECT_GT(inside, 1e5);
}

TEST(PhantomSimulator, VideoRepeatsWithTheRecordedHeartRate) {
  const auto patient = clear_view("Non-ASD", 11);
  Simulator simulator(patient);
  const double period = 60.0 / simulator.ground_truth().heart_rate_bpm;
  // The lag of least change over three phases of the beat, in steps of 1/50 s.
  double best = 1e9, best_lag = 0.0;
  for (double lag = 0.4; lag < 1.3; lag += 0.02) {
    double change = 0.0;
    for (double phase : {0.1, 0.3, 0.55}) {
      change += mean_difference(render(simulator, phase * period),
                                render(simulator, phase * period + lag));
    }
    if (change < best) {
      best = change;
      best_lag = lag;
    }
  }
  EXPECT_NEAR(best_lag, period, 0.021);
}

TEST(PhantomSimulator, MaskAreasAgreeWithTheRecordedOnes) {
  for (const auto& name : class_names()) {
    Simulator simulator(clear_view(name, 21));
    const GroundTruth& truth = simulator.ground_truth();
    auto area = [&simulator](double seconds, Label label) {
      Image mask;
      render(simulator, seconds, &mask);
      return static_cast<double>(
          std::count(mask.begin(), mask.end(), static_cast<std::uint8_t>(label)));
    };
    const double es = truth.end_systole_seconds;
    EXPECT_NEAR(area(0.0, Label::kLeftVentricle) / truth.lv_area_ed, 1.0, 0.04) << name;
    EXPECT_NEAR(area(es, Label::kLeftVentricle) / truth.lv_area_es, 1.0, 0.04) << name;
    EXPECT_NEAR(area(0.0, Label::kRightVentricle) / truth.rv_area_ed, 1.0, 0.06) << name;
    EXPECT_NEAR(area(es, Label::kRightVentricle) / truth.rv_area_es, 1.0, 0.06) << name;
    EXPECT_NEAR(area(es, Label::kLeftAtrium) / truth.la_area_es, 1.0, 0.06) << name;
    EXPECT_NEAR(area(0.0, Label::kRightAtrium) / truth.ra_area_ed, 1.0, 0.06) << name;
  }
}

TEST(PhantomSimulator, BloodIsDarkAndWallsAreBright) {
  Simulator simulator(clear_view("Non-ASD", 9));
  double sums[6] = {}, counts[6] = {};
  for (double seconds : {0.0, 0.3, 0.6}) {
    Image mask;
    const Image image = render(simulator, seconds, &mask);
    for (std::size_t i = 0; i < image.size(); ++i) {
      sums[mask[i]] += image[i];
      counts[mask[i]] += 1.0;
    }
  }
  const double wall = sums[5] / counts[5];
  for (int chamber = 1; chamber <= 4; ++chamber) {
    EXPECT_LT(sums[chamber] / counts[chamber], 0.45 * wall) << chamber;
  }
}

/// Displacement (px) by which the wall around (x, y) of `a` is best found in `b`: least mean square
/// over the pixels that `mask` calls myocardium, refined by parabolas. False where there is too
/// little wall or the best match lies on the border of the search.
bool match_block(const Image& a, const Image& b, const Image& mask, int x, int y, double* dx,
                 double* dy) {
  constexpr int kHalf = 6, kSearch = 4;
  double cost[2 * kSearch + 1][2 * kSearch + 1] = {};
  int pixels = 0, row = 0, column = 0;
  for (int v = -kHalf; v <= kHalf; ++v) {
    for (int u = -kHalf; u <= kHalf; ++u) {
      const int at = (y + v) * kImageSize + x + u;
      if (mask[static_cast<std::size_t>(at)] != static_cast<int>(Label::kMyocardium)) continue;
      ++pixels;
      for (int j = 0; j <= 2 * kSearch; ++j) {
        for (int i = 0; i <= 2 * kSearch; ++i) {
          const int there = at + (j - kSearch) * kImageSize + i - kSearch;
          const int d = a[static_cast<std::size_t>(at)] - b[static_cast<std::size_t>(there)];
          cost[j][i] += d * d;
        }
      }
    }
  }
  for (int j = 0; j <= 2 * kSearch; ++j) {
    for (int i = 0; i <= 2 * kSearch; ++i) {
      if (cost[j][i] < cost[row][column]) {
        row = j;
        column = i;
      }
    }
  }
  if (pixels < 70 || row == 0 || column == 0 || row == 2 * kSearch || column == 2 * kSearch) {
    return false;
  }
  auto vertex = [](double before, double at, double after) {
    return 0.5 * (before - after) / (before - 2.0 * at + after);
  };
  *dx = column - kSearch + vertex(cost[row][column - 1], cost[row][column], cost[row][column + 1]);
  *dy = row - kSearch + vertex(cost[row - 1][column], cost[row][column], cost[row + 1][column]);
  return true;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST(PhantomSimulator, SpeckleMovesWithTheTissue) {
  auto patient = clear_view("Non-ASD", 15);
  patient.acoustics.depth = 150.0;
  Simulator simulator(patient);
  // Mid-ejection, when the walls move fastest.
  const double before = 0.5 * simulator.ground_truth().end_systole_seconds - 0.02;
  const double after = before + 0.04;
  Image mask;
  const Image a = render(simulator, before, &mask), b = render(simulator, after);
  std::vector<double> error_x, error_y, moved_y;
  // Tissue points by their place at end-diastole; blocks around where they are before.
  for (int y = 30; y < 80; y += 2) {
    for (int x = 14; x < 98; x += 2) {
      double xa, ya, xb, yb, dx, dy;
      simulator.track(x + 0.5, y + 0.5, before, &xa, &ya);
      simulator.track(x + 0.5, y + 0.5, after, &xb, &yb);
      const int column = static_cast<int>(xa), row = static_cast<int>(ya);
      if (row < 12 || row > 99 || column < 12 || column > 99) continue;
      if (mask[static_cast<std::size_t>(row * kImageSize + column)] != 5) continue;
      if (!match_block(a, b, mask, column, row, &dx, &dy)) continue;
      error_x.push_back(std::abs(dx - (xb - xa)));
      error_y.push_back(std::abs(dy - (yb - ya)));
      moved_y.push_back(yb - ya);
    }
  }
  ASSERT_GT(error_x.size(), 40U);
  EXPECT_LT(median(moved_y), -0.5) << "the base comes towards the apex";
  EXPECT_LT(median(error_x), 0.3);
  EXPECT_LT(median(error_y), 0.3);
}

TEST(PhantomSimulator, SeptalDefectLeavesADarkGap) {
  auto patient = clear_view("ASD", 30);
  patient.heart.motion_scale = 0.0;
  auto closed = patient;
  closed.heart.septal_gap = 0.0;
  Simulator with_gap(patient), without_gap(closed);
  const Image open_image = render(with_gap, 0.0), closed_image = render(without_gap, 0.0);
  const Anatomy anatomy(patient);
  const double mm = with_gap.ground_truth().mm_per_pixel;
  const auto& line = anatomy.atrial_septum;
  const Point middle = line[static_cast<std::size_t>(patient.heart.septal_gap_position *
                                                     static_cast<double>(line.size() - 1))];
  double open = 0.0, shut = 0.0;
  for (int v = -2; v <= 2; ++v) {
    for (int u = -1; u <= 1; ++u) {
      const int x = static_cast<int>(middle.x / mm + 56.0) + u;
      const int y = static_cast<int>(middle.y / mm + patient.acoustics.top_pixels) + v;
      open += open_image[static_cast<std::size_t>(y * kImageSize + x)] / 15.0;
      shut += closed_image[static_cast<std::size_t>(y * kImageSize + x)] / 15.0;
    }
  }
  EXPECT_LT(open, 0.5 * shut);
  EXPECT_GT(shut, open + 40.0);
}

/// Length in pixels of the line along which the atria touch in a label map.
double atrial_contact(const Image& mask) {
  const auto touches = [&](std::size_t a, std::size_t b) {
    return std::min(mask[a], mask[b]) == static_cast<int>(Label::kLeftAtrium) &&
           std::max(mask[a], mask[b]) == static_cast<int>(Label::kRightAtrium);
  };
  int across = 0, down = 0;
  for (std::size_t i = 0; i + kImageSize + 1 < mask.size(); ++i) {
    across += touches(i, i + 1) ? 1 : 0;
    down += touches(i, i + kImageSize) ? 1 : 0;
  }
  return std::hypot(across, down);
}

TEST(PhantomSimulator, LabelMapsShowTheSeptalDefect) {
  for (const std::string& name : class_names()) {
    for (std::uint64_t seed = 40; seed < 46; ++seed) {
      Simulator simulator(sample_patient(name, seed));
      Image mask;
      render(simulator, 0.0, &mask);
      EXPECT_NEAR(atrial_contact(mask), simulator.ground_truth().septal_gap_px, 1.5)
          << name << " " << seed;
    }
  }
}

}  // namespace
}  // namespace echopath::phantom
