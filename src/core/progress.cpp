#include "echopath/core/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr std::int64_t kBarWidth = 20;
constexpr std::size_t kUnknownWidth = 80;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Standard error is a terminal and informational lines are wanted there.
bool may_redraw() {
  return isatty(STDERR_FILENO) != 0 && info_lines_wanted();
}

/// "[=====>    ]"
std::string bar(std::int64_t done, std::int64_t total) {
  const std::int64_t filled = std::clamp<std::int64_t>(done * kBarWidth / total, 0, kBarWidth);
  std::string cells(static_cast<std::size_t>(filled), '=');
  if (filled < kBarWidth) cells += '>';
  cells.resize(static_cast<std::size_t>(kBarWidth), ' ');
  return "[" + cells + "]";
}

/// The line cut to the terminal's width: one that wraps could not be redrawn in place.
std::string fitted(const std::string& line) {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t width = (known ? size.ws_col : kUnknownWidth) - 1;
  std::size_t columns = 0, bytes = 0;
  for (; bytes < line.size(); ++bytes) {
    const bool starts_character = (static_cast<unsigned char>(line[bytes]) & 0xC0) != 0x80;
    if (starts_character && ++columns > width) break;
  }
  return line.substr(0, bytes);
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::int64_t done)
    : label_(std::move(label)),
      total_(total),
      start_done_(done),
      done_(done),
      terminal_(may_redraw()),
      started_(Clock::now()),
      drawn_(terminal_ ? Clock::time_point{} : started_) {}

Progress::~Progress() {
  if (!finished_ && terminal_ && drawn_ != Clock::time_point{}) {
    std::fputc('\n', stderr);  // an unfinished line stays readable above the error that follows
  }
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const auto waited = Clock::now() - drawn_;
  if (terminal_ ? waited >= kRedrawInterval : waited >= kLineInterval) {
    draw(false);
  }
}

void Progress::finish() {
  if (!finished_) {
    draw(true);
    finished_ = true;
  }
}

void Progress::draw(bool last) {
  drawn_ = Clock::now();
  const double elapsed = seconds_since(started_);
  const auto made = static_cast<double>(done_ - start_done_);
  std::string line = label_ + " ";
  if (terminal_ && total_ > 0 && !last) line += bar(done_, total_) + " ";
  line += std::to_string(done_);
  if (total_ > 0) {
    line += "/" + std::to_string(total_) + " (" + std::to_string(done_ * 100 / total_) + " %)";
  }
  if (last) {
    line += " in " + human_duration(elapsed);
  } else if (made > 0 && total_ > done_) {
    line += ", " + human_duration(static_cast<double>(total_ - done_) * elapsed / made) + " left";
  }
  if (!note_.empty()) {
    line += ", " + note_;
  }
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s%s", last ? line.c_str() : fitted(line).c_str(),
                 last ? "\n" : "");
    std::fflush(stderr);
  } else {
    log_info(line);
  }
}

}  // namespace echopath
