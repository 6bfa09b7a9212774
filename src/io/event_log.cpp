#include "echopath/io/event_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <opencv2/imgproc.hpp>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/png.hpp"
#include "echopath/io/video.hpp"
#include "io/disk_full.hpp"
#include "io/event_messages.hpp"

namespace echopath::io {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

/// Seconds in the name of the newest event file of a folder; -1 without one.
std::int64_t newest_seconds(const fs::path& directory) {
  std::int64_t newest = -1;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::int64_t seconds = -1;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), seconds);
    newest = std::max(newest, seconds);
  }
  return newest;
}

fs::path next_path(const fs::path& directory) {
  const std::int64_t seconds =
      std::max(static_cast<std::int64_t>(now()), newest_seconds(directory) + 1);
  char digits[32];
  std::snprintf(digits, sizeof(digits), "%010lld", static_cast<long long>(seconds));
  return directory /
         (std::string(kPrefix) + digits + "." + host_name() + "." + std::to_string(getpid()));
}

std::string picture_of(const Frames& frames) {
  const int type = frames.channels == 3 ? CV_8UC3 : CV_8UC1;
  const cv::Mat given(static_cast<int>(frames.height), static_cast<int>(frames.width), type,
                      const_cast<std::uint8_t*>(frames.frame(0)));
  cv::Mat image;
  if (frames.channels == 3) cv::cvtColor(given, image, cv::COLOR_RGB2BGR);
  return png_of(frames.channels == 3 ? image : given);
}

/// An animated GIF, made in a file beside `near` that is gone afterwards.
std::string gif_of(const Frames& frames, const fs::path& near) {
  struct Removed {
    fs::path path;
    ~Removed() {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
  };
  const Removed file{near.string() + ".gif"};
  write_video(file.path, frames);
  return read_file(file.path);
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& directory, std::optional<std::int64_t> first_step) {
  require_directory(directory, "folder for the event file");
  path_ = next_path(directory);
  file_.open(path_, std::ios::binary | std::ios::app);
  write(version_event({now(), 0}, "echopath"));
  if (first_step) write(restart_event({now(), *first_step}));
}

void EventLog::add_scalars(std::int64_t step,
                           const std::vector<std::pair<std::string, double>>& values) {
  write(scalar_event({now(), step}, values));
}

void EventLog::add_frames(std::int64_t step, const std::string& tag, const Frames& frames) {
  if (frames.count < 1) throw UsageError("sample '" + tag + "' has no frame");
  write(image_event({now(), step}, tag,
                    {frames.height, frames.width, frames.channels,
                     frames.count == 1 ? picture_of(frames) : gif_of(frames, path_)}));
}

void EventLog::add_histogram(std::int64_t step, const std::string& tag,
                             const Histogram& histogram) {
  write(histogram_event({now(), step}, tag, histogram));
}

void EventLog::add_text(std::int64_t step, const std::string& tag, const std::string& text) {
  write(text_event({now(), step}, tag, text));
}

void EventLog::write(const std::string& event) {
  const std::string record = tf_record(event);
  errno = 0;
  file_.write(record.data(), static_cast<std::streamsize>(record.size())).flush();
  if (file_) {
    whole_ += record.size();
    return;
  }
  const int reason = errno;
  file_.close();
  std::error_code ignored;  // what cannot be taken back is cut off by the reader
  fs::resize_file(path_, whole_, ignored);
  file_ = std::ofstream(path_, std::ios::binary | std::ios::app);
  throw DataError("cannot write the event file '" + path_.string() +
                  "': " + std::generic_category().message(reason) + disk_full_remedy(reason));
}

}  // namespace echopath::io
