#pragma once

#include <string>
#include <vector>

#include "echopath/core/errors.hpp"
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

}  // namespace echopath::training
