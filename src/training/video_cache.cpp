#include "training/video_cache.hpp"

namespace echopath::training {

const io::Frames& VideoCache::load(const data::Study& study) {
  const std::string key = study.file_name;
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.frames;
  }
  io::Frames frames = dataset_.load(study);
  bytes_ += frames.pixels.size();
  while (bytes_ > max_bytes_ && !order_.empty()) {
    const auto oldest = entries_.find(order_.back());
    bytes_ -= oldest->second.frames.pixels.size();
    entries_.erase(oldest);
    order_.pop_back();
  }
  order_.push_front(key);
  return entries_.emplace(key, Entry{std::move(frames), order_.begin()}).first->second.frames;
}

}  // namespace echopath::training
