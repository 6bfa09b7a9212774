#pragma once

#include <iosfwd>
#include <string>

namespace echopath::cli {

/// The text up to the first line break: LibTorch appends a stack trace to its messages.
std::string first_line(const std::string& message);

/// To be called in a catch block: prints "echopath: error: …" as one line and answers with the exit
/// code of the exception in flight.
int report_current_exception(std::ostream& out);

}  // namespace echopath::cli
