#include "data/import_source.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::data {

SourceListing list_dicom(const fs::path& source) {
  SourceListing listing;
  for (const fs::path& path : files_under(source)) {
    if (path.filename() == "DICOMDIR") continue;
    if (!io::looks_like_dicom(path)) {
      const std::string extension = to_lower(path.extension().string());
      if (extension == ".dcm" || extension == ".dicom" || path == source) {
        listing.failed.push_back({path, "is not a DICOM file"});
      }
      continue;
    }
    SourceClip clip;
    clip.path = path;
    clip.names = names_of(path, source);
    // Only the four known names: other folders may be called after patients.
    for (fs::path folder = path.parent_path(); folder.has_filename() && folder != source;
         folder = folder.parent_path()) {
      clip.study.class_name = class_of_folder(folder.filename().string());
      if (!clip.study.class_name.empty()) break;
    }
    listing.clips.push_back(std::move(clip));
  }
  return listing;
}

DecodedClip decode_dicom_clip(const SourceClip& clip, const Pseudonyms& pseudonyms) {
  io::DicomCine cine = io::read_dicom_cine(clip.path);
  DecodedClip decoded;
  decoded.frames = std::move(cine.frames);
  decoded.frame_seconds = std::move(cine.frame_seconds);
  decoded.regions_2d = std::move(cine.regions_2d);
  decoded.study = clip.study;
  // The content too: archives keep edited copies of an image under its old identifier.
  const std::string content = sha256_file(clip.path);
  decoded.study.file_name = pseudonyms.of_file(cine.sop_instance_uid + "\n" + content);
  // Without a patient identifier the study stands in for the patient, then the file.
  const std::string patient = !cine.patient_id.empty() ? "id\n" + cine.patient_id
                              : !cine.study_instance_uid.empty()
                                  ? "study\n" + cine.study_instance_uid
                                  : "file\n" + content;
  decoded.study.patient_id = pseudonyms.of_patient(patient);
  decoded.names = clip.names;
  decoded.names.push_back(decoded.study.file_name);
  decoded.names.push_back(cine.sop_instance_uid);
  decoded.patient_names = {decoded.study.patient_id, cine.patient_id};
  return decoded;
}

}  // namespace echopath::data
