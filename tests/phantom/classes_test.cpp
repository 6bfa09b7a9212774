#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "echopath/phantom/phantom.hpp"

namespace echopath::phantom {
namespace {

constexpr int kCells = 14, kTimes = 4, kFeatures = kCells * kCells * kTimes;
using Features = std::vector<double>;

/// Four frames of a beat, each averaged to 14×14.
Features features_of(const std::string& class_name, std::uint64_t seed) {
  Simulator simulator(sample_patient(class_name, seed));
  const double period = 60.0 / simulator.ground_truth().heart_rate_bpm;
  Features features(kFeatures, 0.0);
  std::vector<std::uint8_t> image(kImageSize * kImageSize);
  for (int t = 0; t < kTimes; ++t) {
    simulator.render(period * t / kTimes, image.data());
    for (int i = 0; i < kImageSize * kImageSize; ++i) {
      const int row = i / kImageSize * kCells / kImageSize;
      const int column = i % kImageSize * kCells / kImageSize;
      features[static_cast<std::size_t>((t * kCells + row) * kCells + column)] +=
          image[static_cast<std::size_t>(i)] / 64.0 / 255.0;
    }
  }
  return features;
}

double score(const Features& weights, const Features& features) {
  return std::inner_product(weights.begin(), weights.end(), features.begin(), 0.0);
}

/// Share of 100 held-out patients that a logistic regression trained on 300 others tells apart.
double accuracy(const std::string& sick, const std::string& well) {
  std::vector<Features> data;
  std::vector<double> labels;
  for (std::uint64_t i = 0; i < 200; ++i) {
    data.push_back(features_of(sick, 9000 + i));
    labels.push_back(1.0);
    data.push_back(features_of(well, 9500 + i));
    labels.push_back(0.0);
  }
  constexpr std::size_t kTrained = 300;
  Features mean(kFeatures, 0.0);
  for (std::size_t n = 0; n < kTrained; ++n) {
    for (std::size_t k = 0; k < kFeatures; ++k) mean[k] += data[n][k] / kTrained;
  }
  for (auto& features : data) {
    for (std::size_t k = 0; k < kFeatures; ++k) features[k] -= mean[k];
    features.push_back(1.0);
  }
  Features weights(kFeatures + 1, 0.0);
  for (int step = 0; step < 800; ++step) {
    Features gradient(weights.size(), 0.0);
    for (std::size_t n = 0; n < kTrained; ++n) {
      const double error = 1.0 / (1.0 + std::exp(-score(weights, data[n]))) - labels[n];
      for (std::size_t k = 0; k < gradient.size(); ++k)
        gradient[k] += error * data[n][k] / kTrained;
    }
    for (std::size_t k = 0; k < weights.size(); ++k) {
      weights[k] -= 0.5 * (gradient[k] + 1e-4 * weights[k]);
    }
  }
  int right = 0;
  for (std::size_t n = kTrained; n < data.size(); ++n) {
    right += (score(weights, data[n]) > 0.0) == (labels[n] > 0.5);
  }
  return right / static_cast<double>(data.size() - kTrained);
}

TEST(PhantomClassesSlow, ALinearClassifierTellsTheDiseasesFromTheirControls) {
  const double asd = accuracy("ASD", "Non-ASD"), pah = accuracy("PAH", "Non-PAH");
  RecordProperty("asd_accuracy", std::to_string(asd));
  RecordProperty("pah_accuracy", std::to_string(pah));
  EXPECT_GE(asd, 0.95);
  EXPECT_GE(pah, 0.95);
}

TEST(PhantomClassesSlow, ControlsOfThePairsCannotBeToldApart) {
  EXPECT_NEAR(accuracy("Non-ASD", "Non-PAH"), 0.5, 0.15);
}

}  // namespace
}  // namespace echopath::phantom
