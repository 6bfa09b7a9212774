#include "training/video_cache.hpp"

namespace echopath::training {

std::shared_ptr<const io::Frames> VideoCache::find(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return found->second.frames;
}

bool VideoCache::first_report_of(const data::Study& study) {
  const std::lock_guard lock(mutex_);
  return reported_.insert(study.file_name).second;
}

std::shared_ptr<const io::Frames> VideoCache::load(const data::Study& study) {
  const std::string key = study.file_name;
  {
    const std::lock_guard lock(mutex_);
    if (auto held = find(key)) return held;
  }
  auto frames = std::make_shared<const io::Frames>(read_(study));
  const std::lock_guard lock(mutex_);
  if (auto held = find(key)) return held;  // another thread was faster
  bytes_ += frames->pixels.size();
  while (bytes_ > max_bytes_ && !order_.empty()) {
    const auto oldest = entries_.find(order_.back());
    bytes_ -= oldest->second.frames->pixels.size();
    entries_.erase(oldest);
    order_.pop_back();
  }
  order_.push_front(key);
  entries_.emplace(key, Entry{frames, order_.begin()});
  return frames;
}

}  // namespace echopath::training
