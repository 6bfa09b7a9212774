#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace echopath::evaluation {

/// One evaluation of one arm on a test split.
struct TestLook {
  std::string time;  ///< UTC, 2026-11-29T20:15:00Z
  std::string split;
  std::string arm;                   ///< its name
  std::vector<std::string> sources;  ///< SHA-256 of the weights or predictions that were judged
  std::int64_t videos = 0;
};

/// The register of looks at the test split of a dataset, test_looks.jsonl beside its FileList.csv.
/// Who looks several times, and chooses, measures his choice and not his method; so a second look
/// must be asked for, and is counted.
class TestLooks {
 public:
  /// Reads what is there. Throws DataError (path, line) on a damaged line.
  explicit TestLooks(std::filesystem::path file);

  /// Earlier looks at this split by an arm of this name or with one of these sources.
  std::int64_t looks_at(const std::string& split, const std::string& arm,
                        const std::vector<std::string>& sources) const;
  /// Appends looks, with the time of now; synced. Throws DataError where they cannot be written.
  void add(std::vector<TestLook> several);

  const std::vector<TestLook>& looks() const { return looks_; }
  const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::vector<TestLook> looks_;
};

}  // namespace echopath::evaluation
