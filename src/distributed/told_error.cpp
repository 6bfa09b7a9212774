#include "distributed/told_error.hpp"

#include <algorithm>
#include <charconv>

#include "echopath/core/errors.hpp"
#include "echopath/distributed/rendezvous.hpp"

namespace echopath::distributed {
namespace {

std::string described(ExitCode code, const std::string& message) {
  return std::to_string(static_cast<int>(code)) + " " + message;
}

/// The error that describe() described on another rank.
Error error_of(std::size_t rank, const std::string& description) {
  int code = static_cast<int>(ExitCode::kInternal);
  const std::size_t space = description.find(' ');
  std::from_chars(description.data(), description.data() + space, code);
  return {static_cast<ExitCode>(code),
          "rank " + std::to_string(rank) + ": " + description.substr(space + 1)};
}

}  // namespace

std::string first_line(const std::string& text) {
  std::string line = text.substr(0, std::min(text.find('\n'), text.find(" This is typically")));
  const std::size_t place = line.find("] ");
  if (line.rfind("[/", 0) == 0 && place != std::string::npos) line.erase(0, place + 2);
  return line;
}

std::string describe(const std::exception_ptr& fault) {
  if (!fault) return {};
  try {
    std::rethrow_exception(fault);
  } catch (const Error& error) {
    return described(error.exit_code(), error.what());
  } catch (const std::exception& error) {
    return described(ExitCode::kInternal, first_line(error.what()));
  }
}

void throw_described(const std::vector<std::string>& descriptions, const std::exception_ptr& own,
                     bool is_root) {
  for (std::size_t rank = 0; rank < descriptions.size(); ++rank) {
    if (descriptions[rank].empty()) continue;
    if (own && is_root) std::rethrow_exception(own);
    throw_once(is_root, error_of(rank, descriptions[rank]));
  }
}

}  // namespace echopath::distributed
