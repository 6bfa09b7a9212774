#include "echopath/core/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "core/progress_line.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr std::size_t kUnknownWidth = 80;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Standard error is a terminal and informational lines are wanted there.
bool may_redraw() {
  return isatty(STDERR_FILENO) != 0 && info_lines_wanted();
}

/// Columns that a redrawn line may take: one that wraps could not be redrawn in place.
std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : kUnknownWidth) - 1;
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
  ProgressParts parts{label_, done_, total_, "", note_};
  if (last) {
    parts.time = " in " + human_duration(elapsed);
  } else if (made > 0 && total_ > done_) {
    parts.time =
        ", " + human_duration(static_cast<double>(total_ - done_) * elapsed / made) + " left";
  }
  if (!terminal_) {
    log_info(plain_progress_line(parts));
    return;
  }
  const std::string line =
      last ? plain_progress_line(parts) : fitted_progress_line(parts, terminal_columns());
  std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace echopath
