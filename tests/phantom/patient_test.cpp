#include "echopath/phantom/patient.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/phantom/phantom.hpp"

namespace echopath::phantom {
namespace {

using ::testing::HasSubstr;

/// Ground truth of a few patients of a class.
std::vector<GroundTruth> truths_of(const std::string& class_name) {
  std::vector<GroundTruth> truths;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    truths.push_back(Simulator(sample_patient(class_name, seed)).ground_truth());
  }
  return truths;
}

template <typename Figure>
double mean_of(const std::vector<GroundTruth>& truths, const Figure& figure) {
  double sum = 0.0;
  for (const auto& truth : truths) sum += figure(truth);
  return sum / static_cast<double>(truths.size());
}

TEST(PhantomPatient, NamesTheFourClasses) {
  EXPECT_THAT(class_names(), ::testing::ElementsAre("ASD", "Non-ASD", "PAH", "Non-PAH"));
}

TEST(PhantomPatient, RefusesAnUnknownClassAndListsTheKnownOnes) {
  try {
    sample_patient("HCM", 1);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'HCM'"));
    EXPECT_THAT(error.what(), HasSubstr("ASD, Non-ASD, PAH, Non-PAH"));
  }
}

TEST(PhantomPatient, ControlsOfBothPairsAreOnePopulation) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto a = sample_patient("Non-ASD", seed), b = sample_patient("Non-PAH", seed);
    EXPECT_EQ(a.heart.rv_width, b.heart.rv_width);
    EXPECT_EQ(a.heart.tapse, b.heart.tapse);
    EXPECT_EQ(a.acoustics.gain_db, b.acoustics.gain_db);
  }
}

TEST(PhantomPatient, HeartRateStaysInRangeAndVaries) {
  double low = 1e9, high = 0.0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const auto& name : class_names()) {
      const double rate = sample_patient(name, seed).heart.heart_rate_bpm;
      low = std::min(low, rate);
      high = std::max(high, rate);
    }
  }
  EXPECT_GE(low, 50.0);
  EXPECT_LE(high, 110.0);
  EXPECT_GT(high - low, 35.0);
}

TEST(PhantomPatient, AcousticsDoNotTellTheClass) {
  // The machine is drawn apart from the disease: a classifier has to look at the heart.
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto sick = sample_patient("PAH", seed), well = sample_patient("Non-PAH", seed);
    EXPECT_EQ(sick.acoustics.gain_db, well.acoustics.gain_db);
    EXPECT_EQ(sick.acoustics.dynamic_range_db, well.acoustics.dynamic_range_db);
    EXPECT_EQ(sick.acoustics.half_angle, well.acoustics.half_angle);
  }
}

TEST(PhantomGroundTruth, SeptalDefectLoadsTheRightHeart) {
  const auto sick_ones = truths_of("ASD"), well_ones = truths_of("Non-ASD");
  const auto sick = [&](auto figure) { return mean_of(sick_ones, figure); };
  const auto well = [&](auto figure) { return mean_of(well_ones, figure); };
  auto gap = [](const GroundTruth& t) { return t.septal_gap_mm; };
  EXPECT_GE(sick(gap), 11.0);
  EXPECT_EQ(well(gap), 0.0);
  auto rv = [](const GroundTruth& t) { return t.rv_area_ed / t.lv_area_ed; };
  EXPECT_GT(sick(rv), 1.4 * well(rv));
  auto ra = [](const GroundTruth& t) { return t.ra_area_ed / t.la_area_ed; };
  EXPECT_GT(sick(ra), 1.2 * well(ra));
  // Paradoxical: flat in diastole, round in systole.
  EXPECT_GT(sick([](const GroundTruth& t) { return t.eccentricity_ed; }), 1.08);
  EXPECT_LT(sick([](const GroundTruth& t) { return t.eccentricity_es; }), 1.03);
}

TEST(PhantomGroundTruth, PressureLoadBowsTheSeptumAndSlowsTheAnnulus) {
  const auto sick_ones = truths_of("PAH"), well_ones = truths_of("Non-PAH");
  const auto sick = [&](auto figure) { return mean_of(sick_ones, figure); };
  const auto well = [&](auto figure) { return mean_of(well_ones, figure); };
  auto rv = [](const GroundTruth& t) { return t.rv_area_ed / t.lv_area_ed; };
  EXPECT_GT(sick(rv), 1.6 * well(rv));
  auto ra = [](const GroundTruth& t) { return t.ra_area_es / t.la_area_es; };
  EXPECT_GT(sick(ra), 1.4 * well(ra));
  EXPECT_GT(sick([](const GroundTruth& t) { return t.eccentricity_es; }), 1.2);
  EXPECT_NEAR(well([](const GroundTruth& t) { return t.eccentricity_es; }), 1.0, 0.06);
  EXPECT_LT(sick([](const GroundTruth& t) { return t.tapse_mm; }), 17.0);
  EXPECT_GT(well([](const GroundTruth& t) { return t.tapse_mm; }), 17.0);
  EXPECT_GT(sick([](const GroundTruth& t) { return t.rv_wall_mm; }), 5.0);
  EXPECT_LT(well([](const GroundTruth& t) { return t.rv_wall_mm; }), 5.0);
}

TEST(PhantomGroundTruth, EjectionFractionFollowsFromTheVolumes) {
  const Simulator simulator(sample_patient("Non-ASD", 3));
  const GroundTruth& t = simulator.ground_truth();
  EXPECT_NEAR(t.ef, 100.0 * (t.edv - t.esv) / t.edv, 1e-9);
  EXPECT_GT(t.ef, 50.0);
  EXPECT_LT(t.ef, 72.0);
  // Ventricles empty while the atria fill.
  EXPECT_GT(t.lv_area_ed, t.lv_area_es);
  EXPECT_GT(t.rv_area_ed, t.rv_area_es);
  EXPECT_LT(t.la_area_ed, t.la_area_es);
  EXPECT_LT(t.ra_area_ed, t.ra_area_es);
}

}  // namespace
}  // namespace echopath::phantom
