#pragma once

#include <string>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/data/dataset.hpp"

namespace echopath::training {

/// The studies of a split, which must not be empty. Throws DataError naming split and directory.
inline std::vector<data::Study> require_split(std::vector<data::Study> studies,
                                              const std::string& split,
                                              const std::string& directory) {
  if (studies.empty()) {
    throw DataError("'" + directory + "' has no video in split " + split +
                    "; look at the Split column of its FileList.csv");
  }
  return studies;
}

/// The studies of the validation split; says so where there are none, for then nothing is validated
/// and no checkpoint is the best.
inline std::vector<data::Study> validation_split(std::vector<data::Study> studies,
                                                 const std::string& directory) {
  if (studies.empty()) {
    log_warning(
        "'" + directory +
        "' has no video in split VAL: nothing is validated; look at the Split column of its "
        "FileList.csv");
  }
  return studies;
}

}  // namespace echopath::training
