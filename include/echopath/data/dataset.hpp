#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::data {

/// One row of FileList.csv.
struct Study {
  std::string file_name;  ///< without folder; with or without extension, as in the list
  std::string class_name;
  std::string patient_id;
  std::string split;  ///< TRAIN, VAL or TEST; empty where the list has none
  double fps = 0.0;
  std::int64_t number_of_frames = 0;
  std::int64_t frame_height = 0;
  std::int64_t frame_width = 0;
  std::optional<double> ef;  ///< ejection fraction, percent
  std::optional<double> esv;
  std::optional<double> edv;

  /// file_name without a video extension: the key under which latents are stored.
  std::string stem() const;
};

/// A dataset directory: FileList.csv + Videos/. Also reads EchoNet-Dynamic's list (no class, no
/// patient: ClassName is empty, each file its own patient) and EchoPath's (`class_name`,
/// `patient_id`, `video_path`). Column names are matched without regard to case and underscores.
class Dataset {
 public:
  /// Throws DataError on a missing folder or list, an empty list, or a row whose video is missing
  /// (row number and path). `check_videos = false` skips the last. A patient in two splits gets a
  /// warning.
  static Dataset open(const std::filesystem::path& directory, bool check_videos = true);

  const std::filesystem::path& directory() const { return directory_; }
  const std::vector<Study>& studies() const { return studies_; }
  /// Rows of one split, in the list's order.
  std::vector<Study> split(const std::string& name) const;
  /// Class names in first-seen order.
  std::vector<std::string> class_names() const;
  /// Videos/NAME with the extension found (.avi, .mp4, …); empty where there is none.
  std::filesystem::path video_path(const Study& study) const;
  /// Grey frames of one video.
  io::Frames load(const Study& study) const;

 private:
  std::filesystem::path directory_;
  std::vector<Study> studies_;
};

/// Rows of one split, in the list's order.
std::vector<Study> studies_of_split(const std::vector<Study>& studies, const std::string& split);
/// Class names in first-seen order.
std::vector<std::string> class_names_of(const std::vector<Study>& studies);

/// Reads and writes the list alone (docs/file_formats.md). Reading throws DataError (row number) on
/// a value that is no number, a split that is unknown (numbered folds are mapped: 0–7 TRAIN, 8 VAL,
/// the rest TEST), a name that is a path, and a name that stands twice.
std::vector<Study> read_file_list(const std::filesystem::path& csv);
void write_file_list(const std::filesystem::path& csv, const std::vector<Study>& studies);

}  // namespace echopath::data
