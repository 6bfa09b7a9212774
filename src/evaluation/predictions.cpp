#include "echopath/evaluation/predictions.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/io/csv.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kTolerance = 1e-3;

double number_in(const io::CsvTable& table, std::size_t row, int column) {
  const std::string& text = table.rows[row][static_cast<std::size_t>(column)];
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  throw DataError(table.source + ": row " + std::to_string(row + 2) + ": column '" +
                  table.columns[static_cast<std::size_t>(column)] + "' holds " + quoted_text(text) +
                  ", not a number");
}

/// The frames of a clip [1, T, H, W], grey levels 0…255.
at::Tensor clip_of(const VideoItem& video, const io::Frames& frames,
                   const models::ClipFormat& format) {
  if (frames.height != format.sample_size || frames.width != format.sample_size) {
    throw DataError("'" + video.path.string() + "' has frames of " + std::to_string(frames.width) +
                    "x" + std::to_string(frames.height) + ", but the classifier takes " +
                    std::to_string(format.sample_size) + "x" + std::to_string(format.sample_size) +
                    "; bring them to this size with `echopath import --size`");
  }
  const double fps = video.fps > 0 ? video.fps : frames.fps;
  if (!(fps > 0)) {
    throw DataError("'" + video.path.string() +
                    "' states no frame rate; write it into the FPS column of FileList.csv");
  }
  io::Frames chosen = select(frames, format.frame_indices(frames.count, fps));
  return at::from_blob(chosen.pixels.data(), {1, chosen.count, chosen.height, chosen.width},
                       at::kByte)
      .to(at::kFloat);
}

/// The row of each video by its name.
std::map<std::string, std::size_t> rows_by_name(const Predictions& given,
                                                const std::string& source) {
  std::map<std::string, std::size_t> rows;
  for (std::size_t row = 0; row < given.size(); ++row) {
    const auto [first, is_new] = rows.emplace(given.names[row], row);
    if (is_new) continue;
    throw DataError(source + ": row " + std::to_string(row + 2) + ": '" + given.names[row] +
                    "' stands in row " + std::to_string(first->second + 2) +
                    " already; each test video counts once");
  }
  return rows;
}

/// Throws DataError unless a row is of a video of the set, with its class and its patient.
void require_of_set(const Predictions& given, std::size_t row,
                    const std::map<std::string, const VideoItem*>& known, const VideoSet& videos,
                    const std::string& source) {
  const std::string where = source + ": row " + std::to_string(row + 2) + ": '" + given.names[row];
  const std::string& class_name = given.classes[given.labels[row]];
  const auto found = known.find(given.names[row]);
  if (found == known.end() || found->second->class_name != class_name) {
    throw DataError(where + "' of class '" + class_name + "' is not among the videos of '" +
                    videos.directory().string() + "'");
  }
  if (given.patients[row].empty() || given.patients[row] == found->second->patient) return;
  throw DataError(where + "' is of patient " + quoted_text(given.patients[row]) +
                  " there, but of patient " + quoted_text(found->second->patient) + " in '" +
                  videos.directory().string() + "'; write the patient of its FileList.csv");
}

}  // namespace

std::size_t Predictions::called(std::size_t row) const {
  const std::vector<double>& p = probabilities[row];
  return static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

void check_predictions(const Predictions& predictions, const std::string& source) {
  if (predictions.classes.size() < 2) {
    throw DataError(source + ": a classification needs at least two classes");
  }
  if (predictions.size() < 2) {
    throw DataError(source + ": a classification needs at least two videos, there are " +
                    std::to_string(predictions.size()));
  }
  for (std::size_t row = 0; row < predictions.size(); ++row) {
    double sum = 0.0;
    bool valid = true;
    for (const double p : predictions.probabilities[row]) {
      valid = valid && p >= 0.0 && p <= 1.0 + kTolerance;
      sum += p;
    }
    if (valid && std::abs(sum - 1.0) <= kTolerance) continue;
    throw DataError(source + ": the probabilities of '" + predictions.names[row] +
                    "' are not numbers from 0 to 1 with the sum 1");
  }
  for (std::size_t label = 0; label < predictions.classes.size(); ++label) {
    if (std::count(predictions.labels.begin(), predictions.labels.end(), label) > 0) continue;
    throw DataError(source + ": no video is of class '" + predictions.classes[label] +
                    "'; the videos and the classifier must be of the same classes");
  }
}

Predictions read_predictions(const std::filesystem::path& csv) {
  const io::CsvTable table = io::read_csv(csv);
  const int name = table.require_column("FileName"), patient = table.require_column("PatientId"),
            truth = table.require_column("ClassName");
  Predictions predictions;
  std::vector<int> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& column = table.columns[i];
    if (!column.starts_with("p(") || !column.ends_with(")")) continue;
    predictions.classes.push_back(column.substr(2, column.size() - 3));
    columns.push_back(static_cast<int>(i));
  }
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto cell = [&](int column) { return table.rows[row][static_cast<std::size_t>(column)]; };
    const auto label =
        std::find(predictions.classes.begin(), predictions.classes.end(), cell(truth));
    if (label == predictions.classes.end()) {
      throw DataError(table.source + ": row " + std::to_string(row + 2) + ": class '" +
                      cell(truth) + "' has no column p(" + cell(truth) + ")");
    }
    data::Study study;
    study.file_name = cell(name);
    predictions.names.push_back(study.stem());
    predictions.patients.push_back(cell(patient));
    predictions.labels.push_back(static_cast<std::size_t>(label - predictions.classes.begin()));
    std::vector<double> probabilities;
    for (const int column : columns) probabilities.push_back(number_in(table, row, column));
    predictions.probabilities.push_back(std::move(probabilities));
  }
  check_predictions(predictions, csv.string());
  return predictions;
}

void write_predictions(const std::filesystem::path& csv, const Predictions& predictions) {
  io::CsvTable table;
  table.columns = {"FileName", "PatientId", "ClassName"};
  for (const std::string& name : predictions.classes) table.columns.push_back("p(" + name + ")");
  for (std::size_t row = 0; row < predictions.size(); ++row) {
    std::vector<std::string> cells = {predictions.names[row], predictions.patients[row],
                                      predictions.classes[predictions.labels[row]]};
    for (const double p : predictions.probabilities[row]) {
      char text[32];
      const auto end = std::to_chars(text, text + sizeof(text), p);
      cells.emplace_back(text, end.ptr);
    }
    table.rows.push_back(std::move(cells));
  }
  io::write_csv(csv, table);
}

Predictions predictions_of_set(const Predictions& given, const VideoSet& videos,
                               const std::string& source) {
  const std::map<std::string, std::size_t> rows = rows_by_name(given, source);
  std::map<std::string, const VideoItem*> known;
  for (const VideoItem& video : videos.videos()) known[video.name] = &video;
  for (std::size_t row = 0; row < given.size(); ++row) {
    require_of_set(given, row, known, videos, source);
  }
  Predictions ordered;
  ordered.classes = given.classes;
  std::vector<std::string> missing;
  for (const VideoItem& video : videos.videos()) {
    const auto label = std::find(given.classes.begin(), given.classes.end(), video.class_name);
    if (label == given.classes.end()) continue;
    const auto found = rows.find(video.name);
    if (found == rows.end()) {
      missing.push_back(video.name);
      continue;
    }
    ordered.names.push_back(video.name);
    ordered.patients.push_back(video.patient);
    ordered.labels.push_back(given.labels[found->second]);
    ordered.probabilities.push_back(given.probabilities[found->second]);
  }
  if (missing.empty()) return ordered;
  throw DataError(source + ": " + std::to_string(missing.size()) + " of the " +
                  std::to_string(missing.size() + ordered.size()) + " videos of " +
                  join(given.classes, ", ") + " in '" + videos.directory().string() +
                  "' are missing, the first '" + missing.front() +
                  "'; predict every video of the split");
}

Predictions predict_videos(const models::Classifier& classifier, const VideoSet& videos,
                           at::Device device) {
  const at::NoGradGuard no_grad;
  Predictions predictions;
  predictions.classes = classifier.config().classes;
  std::vector<VideoItem> known;
  for (const VideoItem& video : videos.videos()) {
    const auto label =
        std::find(predictions.classes.begin(), predictions.classes.end(), video.class_name);
    if (label == predictions.classes.end()) continue;
    known.push_back(video);
    predictions.names.push_back(video.name);
    predictions.patients.push_back(video.patient);
    predictions.labels.push_back(static_cast<std::size_t>(label - predictions.classes.begin()));
  }
  const std::string where = "'" + videos.directory().string() + "'";
  if (known.empty()) {
    throw DataError(where + " has no video of " + join(predictions.classes, ", ") + "; it has " +
                    join(videos.class_names(), ", "));
  }
  if (known.size() < videos.videos().size()) {
    log_info(std::to_string(videos.videos().size() - known.size()) + " videos of " + where +
             " are of other classes than " + join(predictions.classes, ", ") + " and left out");
  }
  for_each_video(known, 1, [&](std::size_t index, const io::Frames& frames) {
    const at::Tensor clip = clip_of(known[index], frames, classifier.config().clip).to(device);
    const at::Tensor row = classifier.log_probabilities(clip).exp()[0].to(at::kCPU, at::kDouble);
    const at::Tensor whole = (row / row.sum()).contiguous();
    predictions.probabilities.emplace_back(whole.const_data_ptr<double>(),
                                           whole.const_data_ptr<double>() + whole.numel());
  });
  check_predictions(predictions, where);
  return predictions;
}

void require_same_videos(const Predictions& a, const Predictions& b, const std::string& what) {
  if (a.classes != b.classes) {
    throw DataError(what + " are of different classes: " + join(a.classes, ", ") + " and " +
                    join(b.classes, ", "));
  }
  if (a.names == b.names && a.labels == b.labels && a.patients == b.patients) return;
  throw DataError(what + " are not of the same test videos in the same order (" +
                  std::to_string(a.size()) + " and " + std::to_string(b.size()) + ")");
}

Predictions averaged(const std::vector<Predictions>& several) {
  Predictions mean = several.front();
  for (std::size_t i = 1; i < several.size(); ++i) {
    require_same_videos(mean, several[i], "the predictions of one arm");
    for (std::size_t row = 0; row < mean.size(); ++row) {
      for (std::size_t c = 0; c < mean.classes.size(); ++c) {
        mean.probabilities[row][c] += several[i].probabilities[row][c];
      }
    }
  }
  for (auto& row : mean.probabilities) {
    for (double& p : row) p /= static_cast<double>(several.size());
  }
  return mean;
}

}  // namespace echopath::evaluation
