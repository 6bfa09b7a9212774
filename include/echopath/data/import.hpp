#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace echopath::data {

/// What `import_studies` reads, and how it turns it into a dataset directory (docs/importing.md).
/// Empty texts mean "not given".
struct ImportOptions {
  std::filesystem::path source;  ///< folder, or one file
  std::filesystem::path out;     ///< the dataset directory to make; must not hold anything yet
  /// video (AVI, MP4, MOV, MKV, GIF), cardiacnet (its NIfTI folders), dicom, or auto: told from
  /// what lies in the source.
  std::string format = "auto";
  /// CSV with FileName and ClassName; PatientId, FPS, Split, EF, ESV, EDV where it has them.
  std::filesystem::path labels_csv;
  /// Frames per second of the source: a number (over what files state), "assume" (files that state
  /// none are taken to be at the target rate, recorded as unknown), or "" (files must state it).
  std::string source_fps;
  double fps = 32.0;  ///< target rate, clips are resampled in time to it
  /// nearest (the source frame nearest in time) or linear (blend of the two around it).
  std::string interpolation = "nearest";
  /// Percentages of patients for TRAIN, VAL, TEST. "": the source list's own splits where it has
  /// them for every clip, else 70,15,15.
  std::string split;
  std::uint64_t split_seed = 0;
  std::filesystem::path split_file;  ///< CSV with Split and FileName or PatientId
  std::int64_t size = 112;           ///< height and width of the videos made
  /// crop (centre square), letterbox (black bars) or squash (aspect ratio ignored, as the published
  /// preparation does).
  std::string aspect = "crop";
  /// clip (one window over the whole clip), frame (per-frame min-max, as published; flickers) or
  /// none.
  std::string intensity = "clip";
  /// sector (black outside the ultrasound image, and cut to it), none, or auto: sector for DICOM
  /// and plain video, none for EchoNet-Dynamic's layout and CardiacNet.
  std::string mask = "auto";
  std::filesystem::path hash_key_file;  ///< key of the pseudonyms; "": OUT.key, made where absent
  std::int64_t min_frames = 2;          ///< clips of fewer frames are refused
};

/// One file that was not imported, or one CSV whose row lists nothing.
struct ImportFailure {
  std::filesystem::path path;
  std::string reason;  ///< one line; without the path where that can be
};

struct ImportSummary {
  std::string format;  ///< what was found: video, cardiacnet or dicom
  std::int64_t imported = 0;
  std::int64_t rate_assumed = 0;                ///< of them, clips whose source rate is unknown
  std::vector<ImportFailure> failed;            ///< files that could not be read or used
  std::vector<ImportFailure> unlabelled;        ///< files that the labels CSV does not list
  std::vector<ImportFailure> unmatched_rows;    ///< rows of lists and CSVs without a clip
  std::map<std::string, std::int64_t> classes;  ///< videos by class name
  std::map<std::string, std::int64_t> splits;   ///< videos by split
  std::filesystem::path key_file;               ///< key of the pseudonyms, for DICOM
};

/// Makes a dataset directory from real studies: FileList.csv, Videos/NAME.avi (grey FFV1 of
/// size×size pixels at `fps`) and import.json (options and counts). The directory appears under its
/// name when whole. DICOM clips and patients are named by HMAC-SHA-256 of their identifiers under
/// the key; no identifier of a file's header is written, logged, or put into an error.
/// A clip that cannot be read goes to `failed`, the rest is imported.
/// Throws UsageError (an option that makes no sense, a directory that holds something already),
/// DataError (nothing found, nothing imported, a CSV that does not fit or whose rows name several
/// clips, a CardiacNet import without `source_fps`), Interrupted.
ImportSummary import_studies(const ImportOptions& options);

}  // namespace echopath::data
