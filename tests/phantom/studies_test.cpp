#include "echopath/phantom/studies.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/nifti.hpp"
#include "echopath/io/video.hpp"

namespace echopath::phantom {
namespace {

using ::testing::HasSubstr;

class PhantomStudies : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "phantom_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    options_.out = folder_ / "studies";
    options_.patients = 4;
    options_.seed = 5;
    options_.frames = 3;
    options_.show_progress = false;
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// What the simulator shows for a planned study.
  std::vector<std::uint8_t> simulate(const StudyPlan& plan, bool mask) const {
    Simulator simulator(sample_patient(plan.class_name, plan.seed));
    std::vector<std::uint8_t> images, masks;
    std::vector<std::uint8_t> image(kImageSize * kImageSize), labels(image.size());
    for (int t = 0; t < options_.frames; ++t) {
      simulator.render(t / options_.fps, image.data(), labels.data());
      images.insert(images.end(), image.begin(), image.end());
      masks.insert(masks.end(), labels.begin(), labels.end());
    }
    return mask ? masks : images;
  }

  fs::path folder_;
  WriteOptions options_;
};

TEST_F(PhantomStudies, PlanDoesNotDependOnTheNumberOfPatients) {
  options_.patients = 7;
  const auto few = plan_studies(options_);
  options_.patients = 300;
  const auto many = plan_studies(options_);
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i].name, many[i].name);
    EXPECT_EQ(few[i].seed, many[i].seed);
    EXPECT_EQ(few[i].split, many[i].split);
    EXPECT_EQ(few[i].patient_id, many[i].patient_id);
  }
}

TEST_F(PhantomStudies, ClassesTakeTurnsAndSplitsKeepTheirShares) {
  options_.patients = 400;
  std::map<std::string, std::map<std::string, int>> counts;
  std::set<std::string> patients, names;
  std::set<std::uint64_t> seeds;
  for (const auto& plan : plan_studies(options_)) {
    counts[plan.class_name][plan.split] += 1;
    patients.insert(plan.patient_id);
    names.insert(plan.name);
    seeds.insert(plan.seed);
  }
  EXPECT_EQ(patients.size(), 400U);
  EXPECT_EQ(names.size(), 400U);
  EXPECT_EQ(seeds.size(), 400U);
  for (const auto& name : class_names()) {
    EXPECT_NEAR(counts[name]["TRAIN"], 70, 2) << name;
    EXPECT_NEAR(counts[name]["VAL"], 15, 2) << name;
    EXPECT_NEAR(counts[name]["TEST"], 15, 2) << name;
  }
}

TEST_F(PhantomStudies, RefusesOptionsOutOfRange) {
  auto message = [](WriteOptions options) -> std::string {
    try {
      plan_studies(options);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  };
  WriteOptions bad = options_;
  bad.patients = 0;
  EXPECT_THAT(message(bad), HasSubstr("--patients is 0"));
  bad = options_;
  bad.layout = "dicom";
  EXPECT_THAT(message(bad), HasSubstr("known: dataset, cardiacnet"));
  bad = options_;
  bad.frames = 1;
  EXPECT_THAT(message(bad), HasSubstr("--frames is 1"));
  bad = options_;
  bad.fps = 0.0;
  EXPECT_THAT(message(bad), HasSubstr("--fps"));
  bad = options_;
  bad.out.clear();
  EXPECT_THAT(message(bad), HasSubstr("--out"));
}

TEST_F(PhantomStudies, DatasetReadsBackWhatTheSimulatorShowed) {
  options_.masks = true;
  const WriteSummary summary = write_studies(options_);
  EXPECT_EQ(summary.videos, 4);
  EXPECT_EQ(summary.frames, 12);
  EXPECT_EQ(summary.train + summary.val + summary.test, 4);
  const auto plans = plan_studies(options_);
  const auto dataset = data::Dataset::open(options_.out);
  ASSERT_EQ(dataset.studies().size(), 4U);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const data::Study& study = dataset.studies()[i];
    EXPECT_EQ(study.stem(), plans[i].name);
    EXPECT_EQ(study.class_name, plans[i].class_name);
    EXPECT_EQ(study.patient_id, plans[i].patient_id);
    EXPECT_EQ(study.split, plans[i].split);
    EXPECT_EQ(study.number_of_frames, 3);
    const Simulator simulator(sample_patient(plans[i].class_name, plans[i].seed));
    EXPECT_NEAR(study.ef.value(), simulator.ground_truth().ef, 0.01);
    const io::Frames video = dataset.load(study);
    EXPECT_NEAR(video.fps, 32.0, 1e-6);
    EXPECT_EQ(video.pixels, simulate(plans[i], false));
    const io::Frames mask = io::read_video(options_.out / "Masks" / (plans[i].name + ".avi"));
    EXPECT_EQ(mask.pixels, simulate(plans[i], true));
  }
}

TEST_F(PhantomStudies, GroundTruthFileHoldsEveryStudy) {
  write_studies(options_);
  EXPECT_FALSE(fs::exists(options_.out / "Masks"));
  const io::CsvTable table = io::read_csv(options_.out / "phantom.csv");
  ASSERT_EQ(table.rows.size(), 4U);
  const auto class_column = static_cast<std::size_t>(table.require_column("ClassName"));
  const auto gap_column = static_cast<std::size_t>(table.require_column("SeptalGapMm"));
  const auto rate_column = static_cast<std::size_t>(table.require_column("HeartRate"));
  for (const char* name :
       {"LVAreaED", "LVAreaES", "RVAreaED", "RAAreaES", "EF", "EccentricityES", "TAPSE"}) {
    EXPECT_GE(table.column(name), 0) << name;
  }
  for (const auto& row : table.rows) {
    const double gap = std::stod(row[gap_column]);
    EXPECT_EQ(gap > 0.0, row[class_column] == "ASD") << row[class_column];
    EXPECT_GE(std::stod(row[rate_column]), 50.0);
  }
}

TEST_F(PhantomStudies, SameSeedGivesTheSameBytesWhateverTheNumberOfPatients) {
  write_studies(options_);
  WriteOptions again = options_;
  again.out = folder_ / "again";
  again.patients = 6;
  write_studies(again);
  for (const auto& plan : plan_studies(options_)) {
    const fs::path name = fs::path("Videos") / (plan.name + ".avi");
    EXPECT_EQ(sha256_file(options_.out / name), sha256_file(again.out / name)) << plan.name;
  }
  WriteOptions other = options_;
  other.out = folder_ / "other";
  other.seed = 6;
  write_studies(other);
  const fs::path first = fs::path("Videos") / "ASD_0001.avi";
  EXPECT_NE(sha256_file(options_.out / first), sha256_file(other.out / first));
}

TEST_F(PhantomStudies, LeavesAnExistingFolderAlone) {
  fs::create_directories(options_.out);
  write_file(options_.out / "mine.txt", "keep");
  EXPECT_THROW(write_studies(options_), Error);
  EXPECT_EQ(read_file(options_.out / "mine.txt"), "keep");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(PhantomStudies, CardiacNetVolumesComeUprightThroughTheReferenceReader) {
  options_.layout = "cardiacnet";
  write_studies(options_);
  const auto plans = plan_studies(options_);
  for (const auto& plan : plans) {
    const fs::path folder = options_.out / plan.class_name;
    const io::NiftiCine image = io::read_nifti(folder / "001_image.nii.gz");
    const io::NiftiCine label = io::read_nifti(folder / "001_label.nii.gz");
    ASSERT_EQ(image.size_x, kImageSize);
    ASSERT_EQ(image.size_y, kImageSize);
    ASSERT_EQ(image.count, 3);
    ASSERT_EQ(label.count, 3);
    const auto pixels = simulate(plan, false), labels = simulate(plan, true);
    // The reference reads array[x, y], takes rot90 (out[i, j] = in[j, n−1−i]), then mirrors
    // columns.
    constexpr int kLast = kImageSize - 1;
    int wrong = 0;
    for (int t = 0; t < 3; ++t) {
      for (int row = 0; row < kImageSize; ++row) {
        for (int column = 0; column < kImageSize; ++column) {
          const int x = kLast - column, y = kLast - row;
          const auto there = static_cast<std::size_t>((t * kImageSize + y) * kImageSize + x);
          const auto here = static_cast<std::size_t>((t * kImageSize + row) * kImageSize + column);
          wrong += image.values[there] != pixels[here] || label.values[there] != labels[here];
        }
      }
    }
    EXPECT_EQ(wrong, 0) << plan.class_name;
  }
}

}  // namespace
}  // namespace echopath::phantom
