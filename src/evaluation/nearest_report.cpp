#include "echopath/evaluation/nearest_report.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/set_pair.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kQueriesAtOnce = 64;

/// Latents of frames, and the patient of each.
struct LatentFrames {
  at::Tensor rows;  ///< [N, D] float32
  std::vector<std::string> patients;
  std::int64_t videos = 0;
};

class Encoder {
 public:
  Encoder(const models::ModelDirectory& model, at::Device device, Progress& progress)
      : codec_(model.load_vae(device), device),
        scale_(model.info().latent_scaling_factor),
        progress_(progress) {}

  /// Every n-th frame of the videos, or the first alone.
  LatentFrames encode(const std::vector<VideoItem>& videos, std::int64_t every, bool first_alone) {
    LatentFrames result;
    result.videos = static_cast<std::int64_t>(videos.size());
    std::vector<at::Tensor> parts;
    for_each_video(videos, 1, [&](std::size_t index, const io::Frames& frames) {
      std::vector<std::int64_t> places;
      for (std::int64_t t = 0; t < (first_alone ? 1 : frames.count); t += every) {
        places.push_back(t);
        result.patients.push_back(videos[index].patient);
      }
      parts.push_back(codec_.encode(select(frames, places)).mean.flatten(1) * scale_);
      progress_.update(++done_);
    });
    if (!parts.empty()) result.rows = at::cat(parts);
    return result;
  }

 private:
  generation::FrameCodec codec_;
  double scale_;
  Progress& progress_;
  std::int64_t done_ = 0;
};

Interval median_interval(const std::vector<double>& values,
                         const std::vector<std::string>& patients) {
  return grouped_bootstrap(patients, [&](const std::vector<std::size_t>& rows) {
    std::vector<double> some;
    for (const std::size_t row : rows) some.push_back(values[row]);
    return percentile(some, 50.0);
  });
}

/// The ratio of two medians, over the patients of both sides.
Interval median_ratio(const std::vector<double>& above, const std::vector<std::string>& of_above,
                      const std::vector<double>& below, const std::vector<std::string>& of_below) {
  std::vector<std::string> groups;
  for (const std::string& patient : of_above) groups.push_back("a" + patient);
  for (const std::string& patient : of_below) groups.push_back("b" + patient);
  return grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    std::vector<double> upper, lower;
    for (const std::size_t row : rows) {
      if (row < above.size()) {
        upper.push_back(above[row]);
      } else {
        lower.push_back(below[row - above.size()]);
      }
    }
    if (upper.empty() || lower.empty()) return kNotANumber;
    return percentile(upper, 50.0) / percentile(lower, 50.0);
  });
}

}  // namespace

std::vector<double> nearest_distances(const at::Tensor& queries, const at::Tensor& rows) {
  std::vector<double> distances;
  const double scale = 1.0 / std::sqrt(static_cast<double>(rows.size(1)));
  for (std::int64_t first = 0; first < queries.size(0); first += kQueriesAtOnce) {
    const std::int64_t count = std::min(kQueriesAtOnce, queries.size(0) - first);
    // Without the shortcut by a matrix product, which loses digits where distances are small.
    const at::Tensor all = at::cdist(queries.narrow(0, first, count), rows, 2.0, 2);
    const at::Tensor nearest = std::get<0>(all.min(1)).to(at::kDouble).contiguous();
    const double* values = nearest.const_data_ptr<double>();
    for (std::int64_t i = 0; i < count; ++i) distances.push_back(scale * values[i]);
  }
  return distances;
}

NearestReport report_nearest(const NearestOptions& options) {
  if (options.every < 1) throw UsageError("--every must be at least 1");
  const std::vector<VideoItem> training =
      VideoSet::open(options.training.empty() ? options.real : options.training,
                     {"TRAIN", options.classes, true})
          .videos();
  const SetPair sets =
      open_pair({options.real, options.synthetic, options.split, options.classes, options.limit});
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({"vae"});
  Progress progress("nearest", static_cast<std::int64_t>(training.size() + sets.real.size() +
                                                         sets.synthetic.size()));
  Encoder encoder(model, parse_device(options.device), progress);
  const LatentFrames train = encoder.encode(training, options.every, false);
  const LatentFrames held_out = encoder.encode(sets.real, options.every, false);
  const LatentFrames hearts = encoder.encode(sets.synthetic, 1, true);
  progress.finish();

  const std::vector<double> of_held_out = nearest_distances(held_out.rows, train.rows);
  const std::vector<double> of_hearts = nearest_distances(hearts.rows, train.rows);
  NearestReport report;
  report.training_frames = train.rows.size(0);
  report.heart_videos = hearts.videos;
  report.held_out_videos = held_out.videos;
  report.held_out_frames = held_out.rows.size(0);
  report.heart_frames = median_interval(of_hearts, hearts.patients);
  report.held_out = median_interval(of_held_out, held_out.patients);
  report.ratio = median_ratio(of_hearts, hearts.patients, of_held_out, held_out.patients);
  const double near = percentile(of_held_out, 5.0);
  const auto copies = std::count_if(of_hearts.begin(), of_hearts.end(),
                                    [near](double distance) { return distance < near; });
  report.copies = static_cast<double>(copies) / static_cast<double>(of_hearts.size());
  return report;
}

config::Json NearestReport::to_json() const {
  return {{"training_frames", training_frames},
          {"held_out",
           {{"videos", held_out_videos},
            {"frames", held_out_frames},
            {"median_distance", evaluation::to_json(held_out)}}},
          {"heart_frames",
           {{"videos", heart_videos}, {"median_distance", evaluation::to_json(heart_frames)}}},
          {"ratio", evaluation::to_json(ratio)},
          {"copies", number_or_null(copies)}};
}

}  // namespace echopath::evaluation
