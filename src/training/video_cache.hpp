#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "echopath/data/dataset.hpp"

namespace echopath::training {

/// Decoded videos, the least recently used dropped beyond a number of bytes.
class VideoCache {
 public:
  VideoCache(const data::Dataset& dataset, std::size_t max_bytes)
      : dataset_(dataset), max_bytes_(max_bytes) {}

  const io::Frames& load(const data::Study& study);

 private:
  struct Entry {
    io::Frames frames;
    std::list<std::string>::iterator place;
  };
  const data::Dataset& dataset_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::list<std::string> order_;  ///< most recent first
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace echopath::training
