#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace echopath {

/// Progress of a long loop: one redrawn line on a terminal, a plain line every 10 s elsewhere.
class Progress {
 public:
  Progress(std::string label, std::int64_t total, std::int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` items of `total` are finished; `note` is shown behind (loss, learning rate…).
  void update(std::int64_t done, const std::string& note = "");
  void finish();

 private:
  void draw(bool last);

  std::string label_;
  std::string note_;
  std::int64_t total_;
  std::int64_t start_done_;
  std::int64_t done_;
  bool terminal_;
  bool finished_ = false;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace echopath
