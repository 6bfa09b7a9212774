#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "echopath/data/dataset.hpp"

namespace echopath::training {

/// Decoded videos, the least recently used dropped beyond a number of bytes. Threads may share it.
class VideoCache {
 public:
  using Reader = std::function<io::Frames(const data::Study&)>;

  VideoCache(Reader read, std::size_t max_bytes) : read_(std::move(read)), max_bytes_(max_bytes) {}
  /// Of the dataset's own videos; it must outlive this.
  VideoCache(const data::Dataset& dataset, std::size_t max_bytes)
      : VideoCache([&dataset](const data::Study& study) { return dataset.load(study); },
                   max_bytes) {}

  /// Throws DataError naming a video that cannot be decoded.
  std::shared_ptr<const io::Frames> load(const data::Study& study);
  /// True at the first call for a study, so that what is wrong with it is told once.
  bool first_report_of(const data::Study& study);

 private:
  struct Entry {
    std::shared_ptr<const io::Frames> frames;
    std::list<std::string>::iterator place;
  };
  /// Null where it is not held.
  std::shared_ptr<const io::Frames> find(const std::string& key);

  Reader read_;
  std::size_t max_bytes_;
  std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::list<std::string> order_;  ///< most recent first
  std::unordered_map<std::string, Entry> entries_;
  std::set<std::string> reported_;
};

}  // namespace echopath::training
