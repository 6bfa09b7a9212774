#pragma once

#include <filesystem>
#include <vector>

#include "echopath/core/files.hpp"
#include "echopath/evaluation/classification.hpp"
#include "echopath/evaluation/predictions.hpp"

namespace echopath::evaluation {

/// Throws UsageError where `out` holds something that `eval classification` did not write. What a
/// run that was stopped left there is its own.
void require_own_folder(const std::filesystem::path& out);

/// The files of `eval classification`, first in a hidden folder inside `out`: whatever can go wrong
/// in writing them has done so before a look at TEST is recorded. Destroyed without `publish()`,
/// they leave nothing behind.
class StagedResults {
 public:
  /// `predictions[arm][classifier]`, as in `result`. Throws DataError where they cannot be written.
  StagedResults(std::filesystem::path out, const ClassificationResult& result,
                const std::vector<std::vector<Predictions>>& predictions);
  /// Moves the files to their names, classification.json last.
  void publish();

 private:
  std::filesystem::path out_;
  AtomicDirectory unfinished_;
};

}  // namespace echopath::evaluation
