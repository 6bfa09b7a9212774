#pragma once

#include <string>

namespace echopath {

/// Catches SIGINT, SIGTERM and SIGUSR1, and forgets those that came before: the first one sets a
/// flag that long loops look at, a second SIGINT kills the process.
void install_interrupt_handlers();
bool interrupt_requested();
/// Throws Interrupted("<what was saved>") if a signal came.
void throw_if_interrupted(const std::string& message);

}  // namespace echopath
