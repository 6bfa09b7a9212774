#include "generation/finish_directory.hpp"

#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "generation/gallery.hpp"

namespace echopath::generation {

void finish_directory(const std::filesystem::path& directory,
                      const std::vector<ManifestEntry>& entries) {
  if (entries.empty()) return;
  std::vector<data::Study> studies;
  for (const ManifestEntry& entry : entries) {
    data::Study study;
    study.file_name = fs::path(entry.file).filename().string();
    study.class_name = entry.class_name;
    study.patient_id = study.stem();
    study.split = "TRAIN";
    study.fps = entry.fps;
    study.number_of_frames = entry.frames;
    study.frame_height = entry.height;
    study.frame_width = entry.width;
    studies.push_back(std::move(study));
  }
  data::write_file_list(directory / "FileList.csv", studies);
  write_index(entries, directory / "index.html");
  write_contact_sheet(directory, entries, directory / "contact_sheet.png");
}

}  // namespace echopath::generation
