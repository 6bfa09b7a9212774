#include "training/classifier_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/splits.hpp"
#include "echopath/io/video.hpp"
#include "training/frame_size.hpp"
#include "training/splits.hpp"

namespace echopath::training {
namespace {

constexpr const char* kSizeKey = "clip.sample_size";

fs::path mask_path(const data::Dataset& dataset, const data::Study& study) {
  return dataset.directory() / "Masks" / (study.stem() + ".avi");
}

io::Frames load_masks(const data::Dataset& dataset, const data::Study& study) {
  const fs::path path = mask_path(dataset, study);
  require_file(path, "label maps");
  return io::read_video(path, 1);
}

/// Calls `action`; what it finds wrong with the data is told under the option `key`.
template <class Action>
auto under(const std::string& key, const Action& action) {
  try {
    return action();
  } catch (const DataError& error) {
    throw DataError(key + ": " + error.what());
  }
}

}  // namespace

ClassifierData::ClassifierData(const ClassifierOptions& options) : options_(options) {
  const ClassifierDataOptions& data = options.data;
  const auto seed = static_cast<std::uint64_t>(options.training.seed);
  const std::size_t main = open("data.dataset", data.dataset);
  if (options.model.is_segmentation()) {
    structures_ = options.network().num_classes();
    classes_ = sources_[main]->dataset.class_names();
  } else {
    classes_ = data.classes;
  }
  train_ = items(main, "TRAIN");
  require_every_class(train_, "TRAIN");
  const std::size_t judge = data.validation_dataset.empty()
                                ? main
                                : open("data.validation_dataset", data.validation_dataset);
  val_ = items(judge, "VAL");
  if (data.validation_fraction > 0) hold_out(data.validation_fraction, seed);
  require_every_class(val_, "VAL");
  const std::vector<std::int64_t> counts = train_counts();
  for (std::size_t i = 0; i < data.extra_datasets.size(); ++i) add_extra(i, counts);
  make_caches();
  check_videos();
  if (data.skip_unreadable) leave_out_unreadable_validation();
}

/// Every validation looks at all of these videos.
void ClassifierData::leave_out_unreadable_validation() {
  std::erase_if(val_, [&](const Item& item) {
    try {
      clip(item, 0.5);
      if (sources_[item.source]->masks) maps(item, 0.5);
      return false;
    } catch (const DataError& error) {
      log_warning(std::string(error.what()) + "; left out, as data.skip_unreadable says");
      return true;
    }
  });
  require_every_class(val_, "VAL");
}

std::size_t ClassifierData::open(const std::string& key, const std::string& directory) {
  sources_.push_back(std::make_unique<Source>(
      Source{key, under(key, [&] { return data::Dataset::open(directory); }), nullptr, nullptr}));
  return sources_.size() - 1;
}

std::vector<ClassifierData::Item> ClassifierData::items(std::size_t source,
                                                        const std::string& split) const {
  std::vector<Item> chosen;
  std::size_t others = 0;
  for (const data::Study& study : sources_[source]->dataset.split(split)) {
    const auto found = std::find(classes_.begin(), classes_.end(), study.class_name);
    if (found != classes_.end()) {
      chosen.push_back({source, study, found - classes_.begin()});
    } else {
      ++others;
    }
  }
  if (others > 0) {
    log_info(sources_[source]->key + ": " + std::to_string(others) + " videos of split " + split +
             " are of other classes than " + join(classes_, ", ") + " and left out");
  }
  return chosen;
}

void ClassifierData::require_every_class(const std::vector<Item>& items,
                                         const std::string& split) const {
  const bool validation = split == "VAL";
  const Source& source =
      *sources_[items.empty() ? (validation ? sources_.size() - 1 : 0) : items.front().source];
  const std::string directory = source.dataset.directory().string();
  if (items.empty()) {
    throw DataError(source.key + ": '" + directory + "' has no video of " + join(classes_, ", ") +
                    " in split " + split +
                    (validation ? "; name another with data.validation_dataset, or hold out "
                                  "training videos with data.validation_fraction"
                                : "; look at the ClassName and Split columns of its FileList.csv"));
  }
  if (options_.model.is_segmentation()) return;
  for (std::size_t label = 0; label < classes_.size(); ++label) {
    const bool there = std::any_of(items.begin(), items.end(), [&](const Item& item) {
      return item.label == static_cast<std::int64_t>(label);
    });
    if (there) continue;
    throw DataError(source.key + ": '" + directory + "' has no video of class '" + classes_[label] +
                    "' in split " + split + "; it has " + join(source.dataset.class_names(), ", "));
  }
}

void ClassifierData::hold_out(double fraction, std::uint64_t seed) {
  if (!val_.empty()) {
    throw ConfigError("data.validation_fraction is " + std::to_string(fraction) +
                      ", but the dataset has a VAL split of its own; leave it out");
  }
  std::vector<std::string> patients, classes;
  for (const Item& item : train_) {
    patients.push_back(item.study.patient_id);
    classes.push_back(item.study.class_name);
  }
  const double percent = 100.0 * fraction;
  const std::vector<std::string> splits =
      data::split_by_patient(patients, classes, {100.0 - percent, percent, 0.0}, seed);
  std::vector<Item> kept;
  for (std::size_t i = 0; i < train_.size(); ++i) {
    (splits[i] == "VAL" ? val_ : kept).push_back(train_[i]);
  }
  train_ = std::move(kept);
}

void ClassifierData::add_extra(std::size_t index, const std::vector<std::int64_t>& counts) {
  const std::string key = "data.extra_datasets";
  const std::size_t source = open(key, options_.data.extra_datasets[index]);
  const std::vector<Item> candidates = items(source, "TRAIN");
  for (std::size_t label = 0; label < classes_.size(); ++label) {
    std::vector<Item> of_class;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(of_class),
                 [&](const Item& item) { return item.label == static_cast<std::int64_t>(label); });
    const std::int64_t wanted =
        std::llround(options_.data.extra_ratios[index] * static_cast<double>(counts[label]));
    const auto there = static_cast<std::int64_t>(of_class.size());
    if (there < wanted) {
      throw DataError(key + ": '" + options_.data.extra_datasets[index] + "' has " +
                      std::to_string(there) + " TRAIN videos of class '" + classes_[label] +
                      "', but its ratio asks for " + std::to_string(wanted) +
                      "; make more or lower data.extra_ratios");
    }
    if (wanted == 0) continue;
    const NoiseKey choice{static_cast<std::uint64_t>(options_.training.seed), Stream::kDataset,
                          static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(label)};
    const std::vector<std::int64_t> order = permutation(choice, there);
    for (std::int64_t i = 0; i < wanted; ++i) {
      train_.push_back(of_class[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    }
  }
}

std::vector<std::int64_t> ClassifierData::train_counts() const {
  std::vector<std::int64_t> counts(classes_.size(), 0);
  for (const Item& item : train_) ++counts[static_cast<std::size_t>(item.label)];
  return counts;
}

void ClassifierData::make_caches() {
  std::vector<double> videos(sources_.size(), 0.0);
  for (const auto* list : {&train_, &val_}) {
    for (const Item& item : *list) videos[item.source] += 1.0;
  }
  const bool masks = options_.model.is_segmentation();
  const double bytes = 1e9 * options_.data.cache_gigabytes / (masks ? 2.0 : 1.0) /
                       static_cast<double>(train_.size() + val_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const auto share = static_cast<std::size_t>(bytes * videos[i]);
    const data::Dataset& dataset = sources_[i]->dataset;
    sources_[i]->videos = std::make_unique<VideoCache>(dataset, share);
    if (!masks) continue;
    sources_[i]->masks = std::make_unique<VideoCache>(
        [&dataset](const data::Study& study) { return load_masks(dataset, study); }, share);
  }
}

void ClassifierData::check_videos() const {
  std::vector<bool> seen(sources_.size(), false);
  for (const auto* list : {&train_, &val_}) {
    for (const Item& item : *list) {
      const Source& source = *sources_[item.source];
      under(source.key, [&] {
        const data::Study& study = item.study;
        if (study.frame_height != 0 && study.frame_width != 0) {
          require_frame_size(study, study.frame_height, study.frame_width,
                             {kSizeKey, options_.model.clip.sample_size});
        }
        if (source.masks) require_file(mask_path(source.dataset, study), "label maps");
        if (seen[item.source] || options_.data.skip_unreadable) return;
        seen[item.source] = true;
        clip(item, 0.5);
        if (source.masks) maps(item, 0.5);
      });
    }
  }
}

at::Tensor ClassifierData::chosen_frames(const Item& item, double start, VideoCache& cache) const {
  const models::ClipFormat& format = options_.model.clip;
  const std::shared_ptr<const io::Frames> video = cache.load(item.study);
  require_frame_size(item.study, video->height, video->width, {kSizeKey, format.sample_size});
  const double fps = item.study.fps > 0 ? item.study.fps : video->fps;
  if (!(fps > 0)) {
    throw DataError("'" + item.study.file_name +
                    "' states no frame rate; write it into the FPS column of FileList.csv");
  }
  const std::vector<std::int64_t> indices = format.frame_indices(video->count, fps, start);
  at::Tensor bytes = at::empty({format.frames, video->height, video->width}, at::kByte);
  auto* out = bytes.mutable_data_ptr<std::uint8_t>();
  for (const std::int64_t index : indices) {
    std::memcpy(out, video->frame(index), static_cast<std::size_t>(video->frame_size()));
    out += video->frame_size();
  }
  return bytes.to(at::kFloat);
}

bool ClassifierData::first_report_of(const Item& item) const {
  return sources_[item.source]->videos->first_report_of(item.study);
}

at::Tensor ClassifierData::clip(const Item& item, double start) const {
  return chosen_frames(item, start, *sources_[item.source]->videos);
}

at::Tensor ClassifierData::maps(const Item& item, double start) const {
  const Source& source = *sources_[item.source];
  const std::int64_t frames = source.videos->load(item.study)->count;
  const std::int64_t labelled = source.masks->load(item.study)->count;
  if (frames != labelled) {
    throw DataError("'" + mask_path(source.dataset, item.study).string() + "' has " +
                    std::to_string(labelled) + " frames, but the video has " +
                    std::to_string(frames));
  }
  const at::Tensor maps = chosen_frames(item, start, *source.masks);
  const auto highest = static_cast<std::int64_t>(maps.max().item<float>());
  if (highest >= structures_) {
    throw DataError("'" + mask_path(source.dataset, item.study).string() + "' has the label " +
                    std::to_string(highest) + ", but there are names for 0 to " +
                    std::to_string(structures_ - 1) + "; list more in data.classes");
  }
  return maps;
}

}  // namespace echopath::training
