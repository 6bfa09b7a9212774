#include "echopath/phantom/studies.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/write_directory.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/nifti.hpp"
#include "echopath/io/video.hpp"
#include "rng.hpp"

namespace echopath::phantom {
namespace {

constexpr std::uint64_t kPatientStream = 101;
constexpr int kPixels = kImageSize * kImageSize;

void check(const WriteOptions& o) {
  if (o.out.empty()) throw UsageError("phantom: no output folder given; name one with --out");
  if (o.patients < 1) {
    throw UsageError("phantom: --patients is " + std::to_string(o.patients) +
                     "; at least 1 is needed");
  }
  if (o.frames < 2) {
    throw UsageError("phantom: --frames is " + std::to_string(o.frames) +
                     "; at least 2 are needed");
  }
  if (!(o.fps > 0.0) || o.fps > 1000.0) {
    throw UsageError("phantom: --fps is " + std::to_string(o.fps) +
                     "; above 0 and up to 1000 is valid");
  }
  if (o.layout != "dataset" && o.layout != "cardiacnet") {
    throw UsageError("phantom: unknown layout '" + o.layout + "'; known: dataset, cardiacnet");
  }
}

std::string numbered(const char* format, std::int64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, static_cast<long long>(number));
  return text.data();
}

/// The split of the nth patient of a class: steps of the golden ratio keep every prefix of the list
/// near the fractions, whatever the number of patients; classes start apart.
std::string split_of(std::int64_t position, std::size_t class_index,
                     const data::SplitFractions& fractions) {
  constexpr double kGolden = 0.61803398874989485;
  const double place =
      static_cast<double>(position) * kGolden + 0.25 * static_cast<double>(class_index);
  const double percent = 100.0 * (place - std::floor(place));
  if (percent < fractions.train) return "TRAIN";
  return percent < fractions.train + fractions.val ? "VAL" : "TEST";
}

std::string decimal(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

const std::vector<std::string>& truth_columns() {
  static const std::vector<std::string> columns = {
      "FileName",       "ClassName",         "PatientId", "Split",       "Seed",
      "HeartRate",      "EndSystoleSeconds", "EF",        "EDV",         "ESV",
      "LVAreaED",       "LVAreaES",          "RVAreaED",  "RVAreaES",    "LAAreaED",
      "LAAreaES",       "RAAreaED",          "RAAreaES",  "SeptalGapMm", "SeptalGapPx",
      "EccentricityED", "EccentricityES",    "TAPSE",     "MAPSE",       "RVWall",
      "MmPerPixel"};
  return columns;
}

std::vector<std::string> truth_row(const StudyPlan& study, const GroundTruth& t) {
  std::vector<std::string> row = {study.name, study.class_name, study.patient_id, study.split,
                                  std::to_string(study.seed)};
  for (double value :
       {t.heart_rate_bpm,  t.end_systole_seconds, t.ef,         t.edv,           t.esv,
        t.lv_area_ed,      t.lv_area_es,          t.rv_area_ed, t.rv_area_es,    t.la_area_ed,
        t.la_area_es,      t.ra_area_ed,          t.ra_area_es, t.septal_gap_mm, t.septal_gap_px,
        t.eccentricity_ed, t.eccentricity_es,     t.tapse_mm,   t.mapse_mm,      t.rv_wall_mm,
        t.mm_per_pixel}) {
    row.push_back(decimal(value));
  }
  return row;
}

io::Frames empty_clip(const WriteOptions& options) {
  io::Frames clip;
  clip.count = options.frames;
  clip.height = clip.width = kImageSize;
  clip.channels = 1;
  clip.fps = options.fps;
  clip.pixels.resize(static_cast<std::size_t>(options.frames * kPixels));
  return clip;
}

/// CardiacNet's arrays are (W, H, T) and are turned upright by `rot90` and a flip, which is the
/// anti-diagonal transpose of each slice: image(row, column) = array(W−1−column, H−1−row). With x
/// fastest in the file, that is the frame's bytes in reverse order.
std::vector<std::uint8_t> to_cardiacnet(const io::Frames& clip) {
  std::vector<std::uint8_t> bytes(clip.pixels.size());
  for (std::int64_t t = 0; t < clip.count; ++t) {
    const std::uint8_t* frame = clip.frame(t);
    std::uint8_t* out = bytes.data() + t * kPixels;
    for (int i = 0; i < kPixels; ++i) out[i] = frame[kPixels - 1 - i];
  }
  return bytes;
}

data::Study list_row(const StudyPlan& plan, const GroundTruth& truth, const WriteOptions& options) {
  data::Study study;
  study.file_name = plan.name;
  study.class_name = plan.class_name;
  study.patient_id = plan.patient_id;
  study.split = plan.split;
  study.fps = options.fps;
  study.number_of_frames = options.frames;
  study.frame_height = study.frame_width = kImageSize;
  study.ef = truth.ef;
  study.esv = truth.esv;
  study.edv = truth.edv;
  return study;
}

/// Writes one study's videos or volumes under `root`.
void write_clip(const fs::path& root, const StudyPlan& plan, const WriteOptions& options,
                const io::Frames& images, const io::Frames& masks) {
  if (options.layout == "dataset") {
    io::write_video(root / "Videos" / (plan.name + ".avi"), images);
    if (options.masks) io::write_video(root / "Masks" / (plan.name + ".avi"), masks);
    return;
  }
  const std::string number = plan.name.substr(plan.name.rfind('_') + 1);
  const fs::path folder = root / plan.class_name;
  io::write_nifti(folder / (number + "_image.nii.gz"), kImageSize, kImageSize, options.frames,
                  to_cardiacnet(images));
  io::write_nifti(folder / (number + "_label.nii.gz"), kImageSize, kImageSize, options.frames,
                  to_cardiacnet(masks));
}

void make_folders(const fs::path& root, const WriteOptions& options) {
  if (options.layout == "dataset") {
    fs::create_directories(root / "Videos");
    if (options.masks) fs::create_directories(root / "Masks");
  } else {
    for (const auto& name : class_names()) fs::create_directories(root / name);
  }
}

WriteSummary write_into(const fs::path& root, const WriteOptions& options) {
  const auto plans = plan_studies(options);
  const bool dataset = options.layout == "dataset";
  const bool with_masks = options.masks || !dataset;
  make_folders(root, options);
  io::Frames images = empty_clip(options), masks = empty_clip(options);
  std::vector<data::Study> list;
  io::CsvTable truth;
  truth.columns = truth_columns();
  WriteSummary summary;
  std::unique_ptr<Progress> progress;
  if (options.show_progress) progress = std::make_unique<Progress>("phantom", options.patients);
  for (const StudyPlan& plan : plans) {
    throw_if_interrupted("phantom stopped; nothing was written to '" + options.out.string() + "'");
    Simulator simulator(sample_patient(plan.class_name, plan.seed));
    for (std::int64_t t = 0; t < options.frames; ++t) {
      simulator.render(static_cast<double>(t) / options.fps, images.frame(t),
                       with_masks ? masks.frame(t) : nullptr);
    }
    write_clip(root, plan, options, images, masks);
    list.push_back(list_row(plan, simulator.ground_truth(), options));
    truth.rows.push_back(truth_row(plan, simulator.ground_truth()));
    summary.videos += 1;
    summary.frames += options.frames;
    (plan.split == "TRAIN" ? summary.train : plan.split == "VAL" ? summary.val : summary.test) += 1;
    if (progress) progress->update(summary.videos, plan.name);
  }
  if (dataset) data::write_file_list(root / "FileList.csv", list);
  io::write_csv(root / "phantom.csv", truth);
  if (progress) progress->finish();
  return summary;
}

}  // namespace

std::vector<StudyPlan> plan_studies(const WriteOptions& options) {
  check(options);
  const auto& names = class_names();
  const bool volumes = options.layout == "cardiacnet";
  std::vector<StudyPlan> plans;
  for (std::int64_t i = 0; i < options.patients; ++i) {
    const std::size_t class_index = static_cast<std::size_t>(i) % names.size();
    const std::int64_t position = i / static_cast<std::int64_t>(names.size());
    StudyPlan plan;
    plan.class_name = names[class_index];
    plan.name = plan.class_name + "_" + numbered(volumes ? "%03lld" : "%04lld", position + 1);
    plan.patient_id = numbered("P%05lld", i + 1);
    plan.split = split_of(position, class_index, options.fractions);
    plan.seed = Rng::derive(options.seed, kPatientStream, static_cast<std::uint64_t>(i));
    plans.push_back(plan);
  }
  return plans;
}

WriteSummary write_studies(const WriteOptions& options) {
  check(options);
  WriteSummary summary;
  data::write_directory(options.out,
                        [&](const fs::path& root) { summary = write_into(root, options); });
  return summary;
}

}  // namespace echopath::phantom
