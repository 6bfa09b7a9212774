#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/import.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data::tests {

/// A folder for one test, with `src` in it and `out` still to be made.
class ImportTest : public testing::Test {
 protected:
  ImportTest() {
    std::string pattern = (fs::temp_directory_path() / "echopath-import-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    source_ = root_ / "src";
    fs::create_directories(source_);
    options_.source = source_;
    options_.out = root_ / "out";
  }
  ~ImportTest() override { fs::remove_all(root_); }

  /// Frames as they are: no mask, no window, no change of size.
  void plain(std::int64_t size) {
    options_.size = size;
    options_.mask = "none";
    options_.intensity = "none";
  }

  fs::path write(const fs::path& relative, const std::string& bytes) const {
    const fs::path path = root_ / relative;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  static std::string bytes_of(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  /// Frame t is grey of value t·step.
  static io::Frames ramp(std::int64_t count, std::int64_t size, double fps, int step = 1) {
    io::Frames frames;
    frames.count = count;
    frames.height = frames.width = size;
    frames.fps = fps;
    for (std::int64_t t = 0; t < count; ++t) {
      frames.pixels.insert(frames.pixels.end(), static_cast<std::size_t>(size * size),
                           static_cast<std::uint8_t>(t * step));
    }
    return frames;
  }

  fs::path write_video(const fs::path& relative, const io::Frames& frames) const {
    const fs::path path = root_ / relative;
    fs::create_directories(path.parent_path());
    io::write_video(path, frames);
    return path;
  }

  /// The rows of the dataset made, by file name.
  std::map<std::string, Study> rows() const {
    std::map<std::string, Study> rows;
    const Dataset dataset = Dataset::open(options_.out);
    for (const Study& study : dataset.studies()) rows[study.file_name] = study;
    return rows;
  }

  io::Frames load(const std::string& name) const {
    const Dataset dataset = Dataset::open(options_.out);
    for (const Study& study : dataset.studies()) {
      if (study.file_name == name) return dataset.load(study);
    }
    ADD_FAILURE() << name << " is not in the dataset";
    return {};
  }

  nlohmann::json record() const {
    return nlohmann::json::parse(bytes_of(options_.out / "import.json"));
  }

  /// The first pixel of every frame.
  static std::vector<int> first_pixels(const io::Frames& frames) {
    std::vector<int> values;
    for (std::int64_t t = 0; t < frames.count; ++t) values.push_back(*frames.frame(t));
    return values;
  }

  template <class Wanted>
  std::string error() const {
    try {
      import_studies(options_);
    } catch (const Wanted& caught) {
      EXPECT_FALSE(fs::exists(options_.out / "FileList.csv")) << "output is left behind";
      return caught.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  fs::path root_;
  fs::path source_;
  ImportOptions options_;
};

}  // namespace echopath::data::tests
