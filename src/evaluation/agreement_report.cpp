#include "echopath/evaluation/agreement_report.hpp"

#include <algorithm>
#include <cstring>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/set_pair.hpp"

namespace echopath::evaluation {
namespace {

struct Judge {
  std::string name;
  models::Classifier network;
  std::string hash;
};

std::vector<Judge> load_judges(const models::ModelDirectory& model,
                               const std::vector<std::string>& wanted, at::Device device) {
  std::vector<Judge> judges;
  for (const std::string& name : wanted.empty() ? model.classifiers() : wanted) {
    model.require({name});
    models::Classifier network = model.load_classifier(name, device);
    if (!network.config().is_segmentation()) {
      judges.push_back({name, network, model.component_hash(name)});
    } else if (!wanted.empty()) {
      throw DataError((model.path() / name).string() +
                      " is a segmentation network; agreement needs one of task classification");
    }
  }
  if (!judges.empty()) return judges;
  throw DataError(model.path().string() +
                  " has no classifier; `echopath train classifier` makes one");
}

/// Frames of a video at some places: [1, T, H, W] grey levels.
at::Tensor clip_of(const io::Frames& frames, const std::vector<std::int64_t>& indices) {
  const io::Frames chosen = select(frames, indices);
  at::Tensor bytes = at::empty({1, chosen.count, chosen.height, chosen.width}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr<std::uint8_t>(), chosen.pixels.data(), chosen.pixels.size());
  return bytes.to(at::kFloat);
}

/// Which of the judge's classes a video shows.
std::size_t verdict(const Judge& judge, const io::Frames& frames, const VideoItem& video,
                    at::Device device) {
  const models::ClipFormat& format = judge.network.config().clip;
  if (frames.height != format.sample_size || frames.width != format.sample_size) {
    throw DataError("'" + video.path.string() + "' has frames " + std::to_string(frames.width) +
                    "x" + std::to_string(frames.height) + ", but classifier " + judge.name +
                    " takes " + std::to_string(format.sample_size) + "x" +
                    std::to_string(format.sample_size));
  }
  if (!(frames.fps > 0.0)) {
    throw DataError("'" + video.path.string() +
                    "' states no frame rate; write it into the FPS column of FileList.csv");
  }
  const double seconds = static_cast<double>(frames.count) / frames.fps;
  const double clip_seconds = static_cast<double>(format.frames) / format.fps;
  const auto clips =
      format.sampling == "spread"
          ? std::int64_t{1}
          : std::max<std::int64_t>(1, static_cast<std::int64_t>(seconds / clip_seconds));
  const at::NoGradGuard no_grad;
  at::Tensor sum;
  for (std::int64_t i = 0; i < clips; ++i) {
    const double start = (static_cast<double>(i) + 0.5) / static_cast<double>(clips);
    const at::Tensor clip = clip_of(frames, format.frame_indices(frames.count, frames.fps, start));
    const at::Tensor probabilities = judge.network.log_probabilities(clip.to(device)).exp();
    sum = sum.defined() ? sum + probabilities : probabilities;
  }
  return static_cast<std::size_t>(sum.argmax(1).item<std::int64_t>());
}

/// What the judges said of a set: verdicts[judge][video].
using Verdicts = std::vector<std::vector<std::size_t>>;

SetAgreement summarise(const std::vector<VideoItem>& videos, const std::vector<std::size_t>& said,
                       const std::vector<std::string>& known,
                       const std::vector<std::string>& classes) {
  SetAgreement result;
  VideoFigures right;
  for (const std::string& name : classes) {
    CalledRow row{name, 0, std::vector<std::int64_t>(known.size(), 0)};
    const auto own = std::find(known.begin(), known.end(), name);
    for (std::size_t i = 0; i < videos.size(); ++i) {
      if (videos[i].class_name != name) continue;
      ++row.videos;
      ++row.called[said[i]];
      if (own == known.end()) continue;
      const bool agrees = said[i] == static_cast<std::size_t>(own - known.begin());
      right.add(agrees ? 1.0 : 0.0, name, videos[i].patient);
    }
    if (row.videos > 0) result.rows.push_back(row);
  }
  result.videos = static_cast<std::int64_t>(right.values.size());
  result.agreement = share_interval(right);
  return result;
}

config::Json json_of(const SetAgreement& set, const std::vector<std::string>& known) {
  config::Json rows = config::Json::array();
  for (const CalledRow& row : set.rows) {
    config::Json called = config::Json::object();
    for (std::size_t k = 0; k < known.size(); ++k) called[known[k]] = row.called[k];
    rows.push_back({{"class", row.class_name}, {"videos", row.videos}, {"called", called}});
  }
  return {{"videos", set.videos}, {"agreement", to_json(set.agreement)}, {"rows", rows}};
}

std::string text_of(const SetAgreement& set, const std::vector<std::string>& known,
                    const std::string& name) {
  if (set.rows.empty()) return "";
  char line[160];
  std::snprintf(line, sizeof line, "  %s: right for %.1f %% [%.1f, %.1f] of %lld videos\n",
                name.c_str(), 100.0 * set.agreement.estimate, 100.0 * set.agreement.low,
                100.0 * set.agreement.high, static_cast<long long>(set.videos));
  std::string text = line;
  for (const CalledRow& row : set.rows) {
    text += "    " + row.class_name + " (" + std::to_string(row.videos) + "):";
    for (std::size_t k = 0; k < known.size(); ++k) {
      text += (k == 0 ? " " : ", ") + std::to_string(row.called[k]) + " called " + known[k];
    }
    text += "\n";
  }
  return text;
}

}  // namespace

AgreementReport report_agreement(const AgreementOptions& options) {
  const SetPair sets =
      open_pair({options.real, options.synthetic, options.split, options.classes, options.limit});
  const at::Device device = parse_device(options.device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  const std::vector<Judge> judges = load_judges(model, options.classifiers, device);
  Progress progress("agreement",
                    static_cast<std::int64_t>(sets.real.size() + sets.synthetic.size()));
  std::int64_t done = 0;
  const auto ask = [&](const std::vector<VideoItem>& videos) {
    Verdicts said(judges.size());
    for_each_video(videos, 1, [&](std::size_t index, const io::Frames& frames) {
      for (std::size_t j = 0; j < judges.size(); ++j) {
        said[j].push_back(verdict(judges[j], frames, videos[index], device));
      }
      progress.update(++done);
    });
    return said;
  };
  const Verdicts of_real = ask(sets.real), of_synthetic = ask(sets.synthetic);
  progress.finish();
  AgreementReport report;
  for (std::size_t j = 0; j < judges.size(); ++j) {
    const std::vector<std::string>& known = judges[j].network.config().classes;
    report.classifiers.push_back({judges[j].name, judges[j].hash, known,
                                  summarise(sets.real, of_real[j], known, sets.classes),
                                  summarise(sets.synthetic, of_synthetic[j], known, sets.classes)});
  }
  return report;
}

config::Json AgreementReport::to_json() const {
  config::Json list = config::Json::array();
  for (const ClassifierAgreement& judge : classifiers) {
    list.push_back({{"name", judge.name},
                    {"sha256", judge.hash},
                    {"classes", judge.classes},
                    {"real", json_of(judge.real, judge.classes)},
                    {"synthetic", json_of(judge.synthetic, judge.classes)}});
  }
  return {{"classifiers", list}};
}

std::string AgreementReport::to_text() const {
  std::string text;
  for (const ClassifierAgreement& judge : classifiers) {
    text += judge.name + "\n" + text_of(judge.real, judge.classes, "real") +
            text_of(judge.synthetic, judge.classes, "synthetic");
  }
  return text;
}

}  // namespace echopath::evaluation
