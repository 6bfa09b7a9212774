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
#include "echopath/core/text.hpp"
#include "echopath/data/write_directory.hpp"
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

/// A reason without the path that it opens with: "video 'P' has no frames" → "has no frames".
std::string without_path(const std::string& reason, const fs::path& path) {
  for (const char* kind : {"", "video ", "NIfTI file ", "DICOM file "}) {
    const std::string opening = kind + ("'" + path.string() + "'");
    if (!reason.starts_with(opening)) continue;
    const std::size_t rest = reason.find_first_not_of(": ", opening.size());
    return rest == std::string::npos ? reason : reason.substr(rest);
  }
  return reason;
}

std::string with_path(const ImportFailure& failure) {
  const std::string path = failure.path.string();
  return failure.reason.find(path) != std::string::npos ? failure.reason
                                                        : "'" + path + "': " + failure.reason;
}

class Importer {
 public:
  explicit Importer(const ImportOptions& options)
      : plan_(plan_import(options)), labels_(options.labels_csv) {
    if (plan_.format == "dicom") pseudonyms_.emplace(options.hash_key_file, options.out);
    if (!options.split_file.empty()) splits_.emplace(options.split_file);
    summary_.format = plan_.format;
  }

  ImportSummary run() {
    const SourceListing listing = list();
    labels_.match(listing.clips);
    if (splits_) splits_->match(listing.clips);
    note(summary_.failed, listing.failed);
    note(summary_.unmatched_rows, listing.unmatched_rows);
    if (fs::is_directory(plan_.options.out)) fs::remove(plan_.options.out);
    write_directory(plan_.options.out, [&](const fs::path& folder) { fill(listing, folder); });
    return summary_;
  }

 private:
  void fill(const SourceListing& listing, const fs::path& folder) {
    fs::create_directories(folder / "Videos");
    const ClipOptions options = clip_options(plan_, listing.prepared);
    Progress progress("import", static_cast<std::int64_t>(listing.clips.size()));
    std::int64_t done = 0;
    for (const SourceClip& clip : listing.clips) {
      throw_if_interrupted("import was interrupted; nothing was written");
      import_clip(clip, options, folder);
      progress.update(++done);
    }
    progress.finish();
    note(summary_.unmatched_rows, labels_.unused());
    require_something();
    assign_splits();
    if (splits_) note(summary_.unmatched_rows, splits_->unused());
    finish(folder);
  }

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

  static void note(std::vector<ImportFailure>& list, const std::vector<ImportFailure>& failures) {
    for (const ImportFailure& failure : failures) {
      list.push_back({failure.path, without_path(failure.reason, failure.path)});
      log_debug("not imported: " + with_path(list.back()));
    }
  }

  void import_clip(const SourceClip& clip, const ClipOptions& options, const fs::path& directory) {
    std::optional<Imported> imported;
    io::Frames video;
    const auto fail = [&](const std::string& reason) {
      note(summary_.failed, {{clip.path, reason}});
    };
    try {
      DecodedClip decoded = decode(clip);
      imported = describe(decoded);
      if (labels_.given() && !label(*imported)) {
        const std::string labels = plan_.options.labels_csv.string();
        note(summary_.unlabelled, {{clip.path, "has no row in '" + labels + "'"}});
        return;
      }
      settle(decoded, *imported);
      video = prepare_clip(decoded, rate_or_target(*imported), options);
    } catch (const MissingRate& error) {
      // CardiacNet states no rate anywhere: the other files will not either.
      if (plan_.format == "cardiacnet") throw DataError(with_path({clip.path, error.what()}));
      fail(error.what());
      return;
    } catch (const Error& error) {
      if (error.exit_code() != ExitCode::kData) throw;
      fail(error.what());
      return;
    } catch (const std::bad_alloc&) {
      fail("needs more memory than there is");
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

  static Imported describe(const DecodedClip& decoded) {
    Imported imported;
    imported.study = decoded.study;
    imported.names = decoded.names;
    imported.patient_names = decoded.patient_names;
    imported.source_frames = decoded.frames.count;
    return imported;
  }

  /// The rate of a labelled clip. Throws DataError where it cannot be imported.
  void settle(DecodedClip& decoded, Imported& imported) const {
    if (imported.source_frames < plan_.options.min_frames) {
      throw DataError("has " + std::to_string(imported.source_frames) +
                      (imported.source_frames == 1 ? " frame" : " frames") +
                      "; a cine of at least " + std::to_string(plan_.options.min_frames) +
                      " is needed (--min-frames)");
    }
    if (used_names_.contains(imported.study.file_name)) {
      throw DataError(plan_.format == "dicom"
                          ? std::string("is a copy of a file that was imported already")
                          : "would be named '" + imported.study.file_name +
                                "', as a clip imported before it is; rename one of them");
    }
    imported.source_fps = source_rate(imported.study, decoded.frames);
    // The times of single frames hold only where the file's own rate does.
    const bool rate_is_the_files =
        !plan_.source_fps && imported.study.fps <= 0.0 && imported.source_fps > 0.0;
    if (!rate_is_the_files) decoded.frame_seconds.clear();
  }

  /// Whether the labels list the clip.
  bool label(Imported& imported) {
    const Study* row = labels_.find(imported.names);
    if (row == nullptr) return false;
    Study stated = *row;
    if (pseudonyms_ && !stated.patient_id.empty()) {
      imported.patient_names.push_back(stated.patient_id);
      stated.patient_id = pseudonyms_->of_patient("id\n" + stated.patient_id);
      imported.patient_names.push_back(stated.patient_id);
    }
    apply_label(stated, imported.study);
    if (!pseudonyms_) imported.patient_names.push_back(imported.study.patient_id);
    return true;
  }

  /// The option's rate, the list's, the file's; 0 where it is assumed.
  double source_rate(const Study& study, const io::Frames& frames) const {
    if (plan_.source_fps) return *plan_.source_fps;
    if (study.fps > 0.0) return study.fps;
    if (frames.fps >= kSlowestFps) return frames.fps;
    if (plan_.assume_rate || frames.count == 1) return 0.0;
    throw MissingRate(
        std::string(frames.fps > 0.0 ? "states no plausible frame rate" : "states no frame rate") +
        "; give --source-fps with its frames per second, or --source-fps assume to "
        "take it as it is");
  }

  double rate_or_target(const Imported& imported) const {
    return imported.source_fps > 0.0 ? imported.source_fps : plan_.options.fps;
  }

  void require_something() const {
    if (!imported_.empty()) return;
    const std::string source = "'" + plan_.options.source.string() + "'";
    std::vector<std::string> counts;
    std::string first;
    const auto add = [&](const std::vector<ImportFailure>& list, const char* what) {
      if (list.empty()) return;
      counts.push_back(std::to_string(list.size()) + what);
      if (first.empty()) first = with_path(list.front());
    };
    add(summary_.failed, " failed");
    add(summary_.unlabelled, " without a label");
    add(summary_.unmatched_rows, " listed but not found");
    if (counts.empty()) {
      throw DataError("no " + plan_.format + " clip was found in " + source + "; check the path");
    }
    throw DataError("nothing could be imported from " + source + ": " + join(counts, ", ") +
                    "; the first: " + first);
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

  void finish(const fs::path& folder) {
    std::vector<Study> studies;
    for (const Imported& clip : imported_) {
      studies.push_back(clip.study);
      ++summary_.classes[clip.study.class_name];
      ++summary_.splits[clip.study.split];
      if (clip.source_fps == 0.0) ++summary_.rate_assumed;
    }
    summary_.imported = static_cast<std::int64_t>(imported_.size());
    write_file_list(folder / "FileList.csv", studies);
    write_file(folder / "import.json", record_text());
    if (pseudonyms_) {
      pseudonyms_->save();
      summary_.key_file = pseudonyms_->key_file();
    }
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
            {"unlabelled", summary_.unlabelled.size()},
            {"unmatched_rows", summary_.unmatched_rows.size()},
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
