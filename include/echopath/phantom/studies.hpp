#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/data/splits.hpp"
#include "echopath/phantom/phantom.hpp"

namespace echopath::phantom {

struct WriteOptions {
  std::filesystem::path out;   ///< must not exist yet
  std::int64_t patients = 20;  ///< one video each, ≥ 1; the classes take turns
  std::uint64_t seed = 0;
  bool masks = false;              ///< label maps (values of `Label`) beside the videos
  std::string layout = "dataset";  ///< dataset or cardiacnet
  std::int64_t frames = 96;        ///< per video, ≥ 2
  double fps = 32.0;               ///< > 0
  data::SplitFractions fractions;  ///< of patients; dataset layout
  bool show_progress = true;
};

struct WriteSummary {
  std::int64_t videos = 0;
  std::int64_t frames = 0;
  std::int64_t train = 0, val = 0, test = 0;
};

/// One written study: who, and where it goes.
struct StudyPlan {
  std::string name;  ///< file name without extension, "ASD_0001"
  std::string class_name;
  std::string patient_id;  ///< "P00001"
  std::string split;       ///< TRAIN, VAL or TEST
  std::uint64_t seed = 0;  ///< of sample_patient
};

/// What `write_studies` would write. The first n studies do not depend on how many follow.
std::vector<StudyPlan> plan_studies(const WriteOptions& options);

/// Simulates patients and writes them in one of two layouts (docs/phantom.md):
/// - `dataset`: FileList.csv, Videos/NAME.avi, phantom.csv, with masks also Masks/NAME.avi;
/// - `cardiacnet`: CLASS/NNN_image.nii.gz and CLASS/NNN_label.nii.gz, phantom.csv.
/// The same options give the same bytes, and a video's bytes do not depend on `patients`.
/// Throws UsageError on options out of range, DataError where the folder exists or cannot be
/// written, Interrupted on a signal; no partial folder is left.
WriteSummary write_studies(const WriteOptions& options);

}  // namespace echopath::phantom
