// Files of features: what of them is refused, row by row.
#include "echopath/evaluation/feature_table.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class FeatureFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const io::TensorMap& more) const {
    io::TensorMap tensors = {{"features", at::ones({4, 2})}};
    for (const auto& [name, tensor] : more) tensors[name] = tensor;
    io::save_safetensors(folder_ / "f.safetensors", tensors);
    return folder_ / "f.safetensors";
  }
  void expect_refused(const io::TensorMap& tensors, const std::string& part) const {
    const auto path = write(tensors);
    expect_error<DataError>([&] { read_feature_table(path); }, part);
  }

  TemporaryDirectory folder_;
};

TEST_F(FeatureFile, AnyFeatureThatIsNotFiniteIsRefusedWithItsRow) {
  for (const double value : {std::nan(""), kInfinity, -kInfinity}) {
    at::Tensor features = at::ones({4, 2});
    features[2][1] = value;
    expect_refused({{"features", features}},
                   "row 2 of features (counted from 0) holds a value that is not finite");
  }
}

TEST_F(FeatureFile, GroupsAreIntegersOfAnyWidthAndNothingElse) {
  const at::Tensor groups = at::tensor({3, 3, 7, 7});
  for (const at::ScalarType type : {at::kLong, at::kInt, at::kByte}) {
    EXPECT_EQ(read_feature_table(write({{"groups", groups.to(type)}})).patient_count(), 2);
  }
  // Cut to integers they would be one patient.
  expect_refused({{"groups", at::tensor({0.1, 0.2, 0.3, 0.4}, at::kFloat)}},
                 "f.safetensors': groups must be integers, one number for each patient; they are "
                 "of type Float");
  expect_refused({{"groups", groups.to(at::kBool)}}, "they are of type Bool");
  expect_refused({{"groups", groups.slice(0, 0, 3)}},
                 "groups must have one number for each of the 4 rows");
}

TEST_F(FeatureFile, ProbabilitiesMustLieFromZeroToOneAndSumToOne) {
  const at::Tensor good =
      at::tensor({1.0, 0.0, 0.4, 0.6, 0.5, 0.5, 0.9996, 0.0}, at::kDouble).view({4, 2});
  EXPECT_NEAR(
      read_feature_table(write({{"probabilities", good}})).log_probabilities[1][0].item<double>(),
      std::log(0.4), 1e-6);
  const std::vector<std::pair<double, double>> rows = {{2.0, 3.0},    // logits
                                                       {0.5, 0.498},  // the sum is 2e-3 too small
                                                       {1.5, -0.5},   // the sum is right
                                                       {std::nan(""), 1.0}};
  for (const auto& [first, second] : rows) {
    at::Tensor bad = good.clone();
    bad[3][0] = first;
    bad[3][1] = second;
    expect_refused({{"probabilities", bad}},
                   "row 3 of probabilities (counted from 0) does not hold class probabilities");
  }
}

TEST_F(FeatureFile, LogProbabilitiesMayBeMinusInfinityAndNothingElseUnbounded) {
  const at::Tensor good = at::tensor({0.0, -kInfinity}, at::kDouble).repeat({4, 1});
  EXPECT_TRUE(
      read_feature_table(write({{"log_probabilities", good}})).log_probabilities.equal(good));
  const std::vector<std::pair<double, double>> rows = {
      {-kInfinity, -kInfinity}, {kInfinity, -kInfinity}, {0.5, 0.5}, {0.0, std::nan("")}};
  for (const auto& [first, second] : rows) {
    at::Tensor bad = good.clone();
    bad[1][0] = first;
    bad[1][1] = second;
    expect_refused({{"log_probabilities", bad}},
                   "row 1 of log_probabilities (counted from 0) does not hold logarithms");
  }
}

}  // namespace
}  // namespace echopath::evaluation
