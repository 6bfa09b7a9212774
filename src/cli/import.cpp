#include "echopath/data/import.hpp"

#include <iostream>

#include "cli/suggestions.hpp"
#include "cli/verbs.hpp"

namespace echopath::cli {
namespace {

config::Json to_json(const std::vector<data::ImportFailure>& failures) {
  config::Json list = config::Json::array();
  for (const data::ImportFailure& failure : failures) {
    list.push_back({{"path", failure.path.string()}, {"reason", failure.reason}});
  }
  return list;
}

config::Json to_json(const data::ImportSummary& done, const data::ImportOptions& options) {
  return {{"out", options.out.string()},
          {"format", done.format},
          {"imported", done.imported},
          {"rate_assumed", done.rate_assumed},
          {"failed", to_json(done.failed)},
          {"unlabelled", to_json(done.unlabelled)},
          {"unmatched_rows", to_json(done.unmatched_rows)},
          {"classes", done.classes},
          {"splits", done.splits},
          {"key_file", done.key_file.string()}};
}

void print_counts(const char* title, const std::map<std::string, std::int64_t>& counts) {
  if (counts.empty()) return;
  std::cout << title;
  for (const auto& [name, count] : counts) {
    std::cout << "  " << (name.empty() ? "(none)" : name) << ' ' << count;
  }
  std::cout << '\n';
}

void print_failures(const char* what, const std::vector<data::ImportFailure>& failures) {
  for (const data::ImportFailure& failure : failures) {
    const std::string path = failure.path.string();
    const bool named = failure.reason.find(path) != std::string::npos;
    std::cout << what << ": " << (named ? "" : path + ": ") << failure.reason << '\n';
  }
}

/// "; 2 files could not be imported", and nothing where there are none.
std::string counted(std::size_t count, const char* one, const char* several) {
  if (count == 0) return "";
  return "; " + std::to_string(count) + " " + (count == 1 ? one : several);
}

void print_text(const data::ImportSummary& done, const data::ImportOptions& options) {
  print_failures("not imported", done.failed);
  print_failures("no label", done.unlabelled);
  print_failures("no clip", done.unmatched_rows);
  print_counts("classes:", done.classes);
  print_counts("splits: ", done.splits);
  if (!done.key_file.empty()) {
    std::cout << "pseudonyms are keyed by " << done.key_file.string()
              << ": keep it apart from the dataset\n";
  }
  if (done.rate_assumed > 0) {
    std::cout << done.rate_assumed << " clips state no frame rate and were taken to be at "
              << options.fps << " fps\n";
  }
  std::cout << "imported " << done.imported << (done.imported == 1 ? " clip (" : " clips (")
            << done.format << ") to " << options.out.string()
            << counted(done.failed.size(), "file could not be imported",
                       "files could not be imported")
            << counted(done.unlabelled.size(), "file has no label", "files have no label")
            << counted(done.unmatched_rows.size(), "row lists no clip", "rows list no clip")
            << '\n';
}

void add_time_options(CLI::App& verb, data::ImportOptions& options) {
  verb.add_option("--source-fps", options.source_fps,
                  "frames per second of the source: a number, or `assume` where nobody knows; "
                  "needed where the files state none (CardiacNet)")
      ->type_name("F");
  verb.add_option("--fps", options.fps, "frames per second of the dataset; clips are resampled")
      ->check(CLI::Range(0.1, 1000.0).description(""))
      ->capture_default_str()
      ->type_name("F");
  verb.add_option("--interpolation", options.interpolation,
                  "nearest source frame in time, or linear blend of two")
      ->check(CLI::IsMember({"nearest", "linear"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--min-frames", options.min_frames, "clips of fewer frames are refused")
      ->check(CLI::Range(1, 1'000'000).description(""))
      ->capture_default_str()
      ->type_name("N");
}

void add_split_options(CLI::App& verb, data::ImportOptions& options) {
  verb.add_option("--labels", options.labels_csv,
                  "CSV with FileName, ClassName and, where known, PatientId, FPS, Split, EF")
      ->type_name("CSV");
  verb.add_option("--split", options.split,
                  "percent of patients for TRAIN,VAL,TEST (default: the source's own splits, else "
                  "70,15,15)")
      ->type_name("A,B,C");
  verb.add_option("--split-seed", options.split_seed, "seed of the split")
      ->check(non_negative_integer())
      ->capture_default_str()
      ->type_name("S");
  verb.add_option("--split-file", options.split_file, "CSV with Split and FileName or PatientId")
      ->type_name("CSV");
}

void add_image_options(CLI::App& verb, data::ImportOptions& options) {
  verb.add_option("--size", options.size, "height and width of the videos made")
      ->check(CLI::Range(8, 4096).description(""))
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--aspect", options.aspect,
                  "crop to the centre square, letterbox, or squash (the published preparation)")
      ->check(CLI::IsMember({"crop", "letterbox", "squash"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--intensity", options.intensity,
                  "window over the clip, over each frame (the published preparation; flickers), or "
                  "none")
      ->check(CLI::IsMember({"clip", "frame", "none"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option(
          "--mask", options.mask,
          "sector: black outside the ultrasound sector, where names may be burned in; none; "
          "auto: sector for DICOM and plain video")
      ->check(CLI::IsMember({"auto", "sector", "none"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option(
          "--hash-key-file", options.hash_key_file,
          "file with the key of the pseudonyms, which must exist (default: OUT.key, which is "
          "made where absent)")
      ->type_name("FILE");
}

}  // namespace

void add_import(Program& program) {
  auto options = std::make_shared<data::ImportOptions>();
  const auto run = [options](const CommonOptions& common) {
    const data::ImportSummary done = data::import_studies(*options);
    if (common.json) {
      print_json(to_json(done, *options));
    } else {
      print_text(done, *options);
    }
  };
  CLI::App& verb = program.add_verb(
      "import", "Makes a dataset from real studies: DICOM cines, videos, CardiacNet's NIfTI",
      "echopath import /studies --format dicom --labels labels.csv --out data/mine", run);
  verb.add_option("source", options->source, "folder, or one file")->required()->type_name("SRC");
  verb.add_option("--out", options->out, "dataset directory to make")->required()->type_name("DIR");
  verb.add_option("--format", options->format, "auto, video, cardiacnet or dicom")
      ->check(CLI::IsMember({"auto", "video", "cardiacnet", "dicom"}).description(""))
      ->capture_default_str()
      ->type_name("NAME");
  add_split_options(verb, *options);
  add_time_options(verb, *options);
  add_image_options(verb, *options);
}

}  // namespace echopath::cli
