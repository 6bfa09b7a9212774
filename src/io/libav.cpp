#include "io/libav.hpp"

#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

thread_local LibavMessages* listener = nullptr;

}  // namespace

LibavMessages::LibavMessages() : outer_(listener) {
  static const bool kInstalled = [] {
    av_log_set_callback(&LibavMessages::receive);
    return true;
  }();
  static_cast<void>(kInstalled);
  listener = this;
}

LibavMessages::~LibavMessages() {
  listener = outer_;
}

void LibavMessages::receive(void*, int level, const char* format, va_list arguments) {
  if (listener == nullptr || level > AV_LOG_ERROR || !listener->first_error_.empty()) return;
  char line[256] = {};
  std::vsnprintf(line, sizeof line, format, arguments);
  for (char& c : line) {
    if (c > 0 && c < ' ') c = ' ';
  }
  listener->first_error_ = trim(line);
}

std::string LibavMessages::first_error() {
  return listener == nullptr ? "" : listener->first_error_;
}

std::string libav_reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  const std::string message = LibavMessages::first_error();
  return message.empty() ? text : std::string(text) + " (" + message + ")";
}

}  // namespace echopath::io
