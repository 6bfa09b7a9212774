#include "echopath/data/import.hpp"

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "data/import_clip.hpp"
#include "data/import_labels.hpp"
#include "data/import_plan.hpp"
#include "data/import_pseudonyms.hpp"
#include "data/import_source.hpp"
#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

/// A header that states fewer frames per second does not mean a beating heart: a NIfTI time step of
/// one second is a default that nobody set.
constexpr double kSlowestFps = 5.0;

/// No list, file or option states the rate.
class MissingRate : public DataError {
 public:
  using DataError::DataError;
};

/// A clip that is written, with what its row and its split still need.
struct Imported {
  Study study;
  std::vector<std::string> names;
  std::vector<std::string> patient_names;
  double source_fps = 0.0;  ///< 0: unknown
  std::int64_t source_frames = 0;
};

class Importer {
 public:
  explicit Importer(const ImportOptions& options)
      : plan_(plan_import(options)), labels_(options.labels_csv) {
    if (plan_.format == "dicom") pseudonyms_.emplace(options.hash_key_file, options.out);
    if (!options.split_file.empty()) splits_.emplace(options.split_file);
    summary_.format = plan_.format;
  }

  ImportSummary run() {
    SourceListing listing = list();
    for (ImportFailure& failure : listing.failed) fail(failure.path, failure.reason);
    if (fs::is_directory(plan_.options.out)) fs::remove(plan_.options.out);
    AtomicDirectory directory(plan_.options.out);
    fs::create_directories(directory.temporary_path() / "Videos");
    const ClipOptions options = clip_options(plan_, listing.prepared);
    Progress progress("import", static_cast<std::int64_t>(listing.clips.size()));
    std::int64_t done = 0;
    for (const SourceClip& clip : listing.clips) {
      throw_if_interrupted("import was interrupted; nothing was written");
      import_clip(clip, options, directory.temporary_path());
      progress.update(++done);
    }
    progress.finish();
    for (const ImportFailure& failure : labels_.unused()) fail(failure.path, failure.reason);
    require_something();
    assign_splits();
    finish(directory);
    return summary_;
  }

 private:
  SourceListing list() const {
    if (plan_.format == "cardiacnet") return list_cardiacnet(plan_.options.source);
    if (plan_.format == "dicom") return list_dicom(plan_.options.source);
    return list_videos(plan_.options.source);
  }

  DecodedClip decode(const SourceClip& clip) const {
    if (plan_.format == "cardiacnet") return decode_cardiacnet(clip);
    if (plan_.format == "dicom") return decode_dicom_clip(clip, *pseudonyms_);
    return decode_video(clip);
  }

  void fail(const fs::path& path, const std::string& reason) {
    const bool named = reason.find(path.string()) != std::string::npos;
    log_debug("not imported: " + (named ? "" : "'" + path.string() + "' ") + reason);
    summary_.failed.push_back({path, reason});
  }

  void import_clip(const SourceClip& clip, const ClipOptions& options, const fs::path& directory) {
    std::optional<Imported> imported;
    io::Frames video;
    try {
      DecodedClip decoded = decode(clip);
      imported = describe(clip, decoded);
      video = prepare_clip(decoded, rate_or_target(*imported), options);
    } catch (const MissingRate& error) {
      // CardiacNet states no rate anywhere: the other files will not either.
      if (plan_.format == "cardiacnet") throw;
      fail(clip.path, error.what());
      return;
    } catch (const Error& error) {
      if (error.exit_code() != ExitCode::kData) throw;
      fail(clip.path, error.what());
      return;
    } catch (const std::bad_alloc&) {
      fail(clip.path, "needs more memory than there is");
      return;
    }
    imported->study.fps = options.fps;
    imported->study.number_of_frames = video.count;
    imported->study.frame_height = video.height;
    imported->study.frame_width = video.width;
    io::write_video(directory / "Videos" / (imported->study.file_name + ".avi"), video);
    used_names_.insert(imported->study.file_name);
    imported_.push_back(std::move(*imported));
  }

  /// Labels, rate and name of a decoded clip. Throws DataError where it cannot be imported.
  Imported describe(const SourceClip& clip, DecodedClip& decoded) {
    const std::string shown = "'" + clip.path.string() + "' ";
    Imported imported;
    imported.study = decoded.study;
    imported.names = decoded.names;
    imported.names.push_back(decoded.study.file_name);
    imported.patient_names = decoded.patient_names;
    imported.source_frames = decoded.frames.count;
    if (labels_.given()) label(clip, imported);
    if (imported.source_frames < plan_.options.min_frames) {
      throw DataError(shown + "has " + std::to_string(imported.source_frames) +
                      (imported.source_frames == 1 ? " frame" : " frames") +
                      "; a cine of at least " + std::to_string(plan_.options.min_frames) +
                      " is needed (--min-frames)");
    }
    if (used_names_.contains(imported.study.file_name)) {
      throw DataError(shown + (plan_.format == "dicom"
                                   ? std::string("is a copy of a file that was imported already")
                                   : "would be named '" + imported.study.file_name +
                                         "', as a clip imported before it is"));
    }
    if (plan_.source_fps) decoded.frame_seconds.clear();
    imported.source_fps = source_rate(imported.study, decoded.frames, shown);
    return imported;
  }

  void label(const SourceClip& clip, Imported& imported) {
    const Study* row = labels_.find(imported.names);
    if (row == nullptr) {
      throw DataError("'" + clip.path.string() + "' has no row in '" +
                      plan_.options.labels_csv.string() + "'");
    }
    Study stated = *row;
    if (pseudonyms_ && !stated.patient_id.empty()) {
      imported.patient_names.push_back(stated.patient_id);
      stated.patient_id = pseudonyms_->of_patient("id\n" + stated.patient_id);
      imported.patient_names.push_back(stated.patient_id);
    }
    apply_label(stated, imported.study);
    if (!pseudonyms_) imported.patient_names.push_back(imported.study.patient_id);
  }

  /// The option's rate, the list's, the file's; 0 where it is assumed.
  double source_rate(const Study& study, const io::Frames& frames, const std::string& shown) const {
    if (plan_.source_fps) return *plan_.source_fps;
    if (study.fps > 0.0) return study.fps;
    if (frames.fps >= kSlowestFps) return frames.fps;
    if (plan_.assume_rate || frames.count == 1) return 0.0;
    throw MissingRate(
        shown + (frames.fps > 0.0 ? "states no plausible frame rate" : "states no frame rate") +
        "; give --source-fps with its frames per second, or --source-fps assume to "
        "take it as it is");
  }

  double rate_or_target(const Imported& imported) const {
    return imported.source_fps > 0.0 ? imported.source_fps : plan_.options.fps;
  }

  void require_something() const {
    if (!imported_.empty()) return;
    const std::string source = "'" + plan_.options.source.string() + "'";
    if (summary_.failed.empty()) {
      throw DataError("no " + plan_.format + " clip was found in " + source + "; check the path");
    }
    throw DataError("nothing could be imported from " + source + ": " +
                    std::to_string(summary_.failed.size()) + " failed, the first because " +
                    summary_.failed.front().reason);
  }

  void assign_splits() {
    const auto has_split = [](const Imported& clip) { return !clip.study.split.empty(); };
    if (splits_) {
      for (Imported& clip : imported_) {
        clip.study.split = splits_->split_of(clip.names, clip.patient_names, clip.study.file_name);
      }
    } else if (!plan_.keep_list_splits ||
               !std::all_of(imported_.begin(), imported_.end(), has_split)) {
      std::vector<std::string> patients;
      std::vector<std::string> classes;
      for (const Imported& clip : imported_) {
        patients.push_back(clip.study.patient_id);
        classes.push_back(clip.study.class_name);
      }
      const auto splits =
          split_by_patient(patients, classes, plan_.fractions, plan_.options.split_seed);
      for (std::size_t i = 0; i < splits.size(); ++i) imported_[i].study.split = splits[i];
    }
    warn_of_shared_patients();
  }

  /// Lists and split files are taken as they are, but a patient in two splits leaks.
  void warn_of_shared_patients() const {
    std::map<std::string, std::set<std::string>> splits_of;
    for (const Imported& clip : imported_) {
      splits_of[clip.study.patient_id].insert(clip.study.split);
    }
    const auto shared = std::count_if(splits_of.begin(), splits_of.end(),
                                      [](const auto& entry) { return entry.second.size() > 1; });
    if (shared > 0) {
      log_warning("patients in more than one split, as the given splits say: " +
                  std::to_string(shared) + "; results on them will look too good");
    }
  }

  void finish(AtomicDirectory& directory) {
    std::vector<Study> studies;
    for (const Imported& clip : imported_) {
      studies.push_back(clip.study);
      ++summary_.classes[clip.study.class_name];
      ++summary_.splits[clip.study.split];
      if (clip.source_fps == 0.0) ++summary_.rate_assumed;
    }
    summary_.imported = static_cast<std::int64_t>(imported_.size());
    write_file_list(directory.temporary_path() / "FileList.csv", studies);
    write_file(directory.temporary_path() / "import.json", record_text());
    if (pseudonyms_) {
      pseudonyms_->save();
      summary_.key_file = pseudonyms_->key_file();
    }
    directory.commit();
  }

  /// What import.json holds: options, counts, and each clip's own rate. No source paths: they may
  /// name patients.
  nlohmann::ordered_json record() const {
    const ImportOptions& options = plan_.options;
    nlohmann::ordered_json clips = nlohmann::ordered_json::object();
    for (const Imported& clip : imported_) {
      auto& entry = clips[clip.study.file_name];
      entry["source_frames"] = clip.source_frames;
      entry["source_fps"] = clip.source_fps > 0.0 ? nlohmann::ordered_json(clip.source_fps)
                                                  : nlohmann::ordered_json("unknown");
    }
    return {{"echopath", version()},
            {"format", plan_.format},
            {"options",
             {{"fps", options.fps},
              {"source_fps", options.source_fps},
              {"interpolation", options.interpolation},
              {"size", options.size},
              {"aspect", options.aspect},
              {"intensity", options.intensity},
              {"mask", options.mask},
              {"min_frames", options.min_frames},
              {"split", options.split},
              {"split_seed", options.split_seed},
              {"split_file", !options.split_file.empty()},
              {"labels", !options.labels_csv.empty()}}},
            {"imported", summary_.imported},
            {"failed", summary_.failed.size()},
            {"source_rate_unknown", summary_.rate_assumed},
            {"classes", summary_.classes},
            {"splits", summary_.splits},
            {"clips", clips}};
  }

  std::string record_text() const {
    // File names may be in any encoding.
    return record().dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }

  ImportPlan plan_;
  LabelTable labels_;
  std::optional<Pseudonyms> pseudonyms_;
  std::optional<SplitTable> splits_;
  ImportSummary summary_;
  std::vector<Imported> imported_;
  std::set<std::string> used_names_;
};

}  // namespace

ImportSummary import_studies(const ImportOptions& options) {
  return Importer(options).run();
}

}  // namespace echopath::data
