#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/import_pseudonyms.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/import.hpp"
#include "echopath/io/dicom.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::data {

/// A clip that waits to be imported.
struct SourceClip {
  std::filesystem::path path;  ///< the file to decode
  Study study;                 ///< what is known before decoding; fps is 0 where no list states it
  /// Names under which a CSV may list the clip, see names_of().
  std::vector<std::string> names;
};

/// All clips of a source, in a fixed order, and what could not be listed.
struct SourceListing {
  std::vector<SourceClip> clips;
  std::vector<ImportFailure> failed;
  std::vector<ImportFailure> unmatched_rows;  ///< of the source's own list
  bool prepared = false;  ///< EchoNet-Dynamic's layout and CardiacNet: masked by their makers
};

/// A clip in memory.
struct DecodedClip {
  io::Frames frames;  ///< grey or RGB; fps is 0 where the file states none
  std::vector<double> frame_seconds;
  std::vector<io::DicomRegion> regions_2d;
  Study study;
  /// Names under which CSVs may list the clip and its patient, raw identifiers included: to be
  /// compared, never written.
  std::vector<std::string> names;
  std::vector<std::string> patient_names;
};

/// What the source holds: video, cardiacnet or dicom. Throws DataError where nothing of them is
/// there, UsageError where more than one is.
std::string detect_format(const std::filesystem::path& source);

/// List the clips of one format. Throw DataError where the source does not exist.
SourceListing list_videos(const std::filesystem::path& source);
SourceListing list_cardiacnet(const std::filesystem::path& source);
SourceListing list_dicom(const std::filesystem::path& source);

/// Decode one clip. Throw DataError.
DecodedClip decode_video(const SourceClip& clip);
DecodedClip decode_cardiacnet(const SourceClip& clip);
DecodedClip decode_dicom_clip(const SourceClip& clip, const Pseudonyms& pseudonyms);

/// ASD, Non-ASD, PAH or Non-PAH where a folder is named so (also "1-ASD", "non_asd"), else "".
std::string class_of_folder(const std::string& folder_name);

/// Whether the extension is that of a video.
bool is_video_file(const std::filesystem::path& path);

/// Regular files under a folder (or the file itself), sorted; hidden ones left out.
std::vector<std::filesystem::path> files_under(const std::filesystem::path& source);

/// The names under which a CSV may list `path`: "./" and the path relative to `source`, then the
/// file name, each with and without extension (".nii.gz" is one).
std::vector<std::string> names_of(const std::filesystem::path& path,
                                  const std::filesystem::path& source);

}  // namespace echopath::data
