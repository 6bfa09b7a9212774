#include "echopath/evaluation/anatomy_report.hpp"

#include <array>
#include <cmath>
#include <filesystem>
#include <limits>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/evaluation/anatomy.hpp"
#include "echopath/evaluation/chamber_reader.hpp"
#include "echopath/io/video.hpp"
#include "evaluation/set_pair.hpp"

namespace echopath::evaluation {
namespace {

/// Of each figure the values of a set's videos, in the order of anatomy_figures().
using FigureTable = std::vector<VideoFigures>;

FigureTable empty_table() {
  return FigureTable(anatomy_figures().size());
}

void add_row(FigureTable& table, const VideoAnatomy& anatomy, const VideoItem& video) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i].add(anatomy.*anatomy_figures()[i].value, video.class_name, video.patient);
  }
}

io::Frames every_nth(const io::Frames& frames, std::int64_t n) {
  if (n == 1) return frames;
  std::vector<std::int64_t> indices;
  for (std::int64_t t = 0; t < frames.count; t += n) indices.push_back(t);
  return select(frames, indices);
}

std::vector<FigureComparison> compare(const FigureTable& real, const FigureTable& synthetic,
                                      const std::vector<std::string>& classes) {
  std::vector<FigureComparison> figures;
  for (std::size_t i = 0; i < real.size(); ++i) {
    const AnatomyFigure& figure = anatomy_figures()[i];
    figures.push_back(compare_by_class({figure.name, figure.unit}, real[i], synthetic[i], classes));
  }
  return figures;
}

double correlation(const VideoFigures& a, const VideoFigures& b) {
  double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double x = a.values[i], y = b.values[i];
    if (std::isnan(x) || std::isnan(y)) continue;
    n += 1;
    sa += x;
    sb += y;
    saa += x * x;
    sbb += y * y;
    sab += x * y;
  }
  const double spread = std::sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
  return spread > 0.0 ? (n * sab - sa * sb) / spread : std::numeric_limits<double>::quiet_NaN();
}

/// Measures videos one by one, and the exact label maps of those that have them.
class Measurement {
 public:
  Measurement(const AnatomyOptions& options, const ChamberReader& reader, Progress& progress)
      : options_(options), reader_(reader), progress_(progress) {}

  FigureTable measure(const std::vector<VideoItem>& videos, bool may_have_maps) {
    FigureTable table = empty_table();
    for_each_video(videos, 1, [&](std::size_t index, const io::Frames& all) {
      const VideoItem& video = videos[index];
      const io::Frames maps =
          reader_.label_maps(every_nth(all, options_.every), video.path.string());
      const VideoAnatomy anatomy = measure_anatomy(maps, reader_.labels());
      add_row(table, anatomy, video);
      if (may_have_maps) measure_exact(video, maps, anatomy, all.count);
      progress_.update(++done_);
    });
    return table;
  }

  std::optional<AnatomyValidation> validation(const std::vector<std::string>& classes) const {
    if (exact_videos_ == 0) return std::nullopt;
    AnatomyValidation result;
    result.videos = exact_videos_;
    result.figures = compare(exact_, predicted_, classes);
    for (std::size_t i = 0; i < exact_.size(); ++i) {
      result.correlations.push_back(correlation(exact_[i], predicted_[i]));
    }
    for (const double sum : dice_) {
      result.dice.push_back(sum / static_cast<double>(exact_videos_));
    }
    return result;
  }

 private:
  void measure_exact(const VideoItem& video, const io::Frames& maps, const VideoAnatomy& anatomy,
                     std::int64_t frames) {
    const fs::path path =
        video.path.parent_path().parent_path() / "Masks" / (video.path.stem().string() + ".avi");
    if (!fs::is_regular_file(path)) return;
    const io::Frames all = io::read_video(path, 1);
    if (all.count != frames || all.height != maps.height || all.width != maps.width) {
      throw DataError("'" + path.string() + "' has other frames than its video");
    }
    const io::Frames exact = every_nth(all, options_.every);
    add_row(exact_, measure_anatomy(exact), video);
    add_row(predicted_, anatomy, video);
    const ChamberLabels labels;
    const std::uint8_t chambers[] = {labels.lv, labels.rv, labels.la, labels.ra};
    for (std::size_t i = 0; i < dice_.size(); ++i) dice_[i] += dice_of(maps, exact, chambers[i]);
    ++exact_videos_;
  }

  const AnatomyOptions& options_;
  const ChamberReader& reader_;
  Progress& progress_;
  std::int64_t done_ = 0;
  FigureTable exact_ = empty_table(), predicted_ = empty_table();
  std::array<double, 4> dice_{};
  std::int64_t exact_videos_ = 0;
};

config::Json list_of(const std::vector<FigureComparison>& figures) {
  config::Json list = config::Json::array();
  for (const FigureComparison& figure : figures) list.push_back(figure.to_json());
  return list;
}

}  // namespace

AnatomyReport report_anatomy(const AnatomyOptions& options) {
  if (options.every < 1) throw UsageError("--every must be at least 1");
  const SetPair sets =
      open_pair({options.real, options.synthetic, options.split, options.classes, options.limit});
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  const ChamberReader reader(model, options.component, parse_device(options.device));
  AnatomyReport report;
  report.segmentation_hash = reader.hash();
  Progress progress("anatomy", static_cast<std::int64_t>(sets.real.size() + sets.synthetic.size()));
  Measurement measurement(options, reader, progress);
  const FigureTable real = measurement.measure(sets.real, true);
  const FigureTable synthetic = measurement.measure(sets.synthetic, false);
  progress.finish();
  report.figures = compare(real, synthetic, sets.classes);
  report.validation = measurement.validation(sets.classes);
  return report;
}

config::Json AnatomyReport::to_json() const {
  config::Json json = {{"segmentation_sha256", segmentation_hash}, {"figures", list_of(figures)}};
  if (!validation) return json;
  config::Json correlations = config::Json::array();
  for (const double value : validation->correlations) {
    correlations.push_back(number_or_null(value));
  }
  json["validation"] = {{"videos", validation->videos},
                        {"note", "real: on exact label maps; synthetic: on the network's"},
                        {"figures", list_of(validation->figures)},
                        {"correlations", correlations},
                        {"dice",
                         {{"LV", number_or_null(validation->dice[0])},
                          {"RV", number_or_null(validation->dice[1])},
                          {"LA", number_or_null(validation->dice[2])},
                          {"RA", number_or_null(validation->dice[3])}}}};
  return json;
}

}  // namespace echopath::evaluation
