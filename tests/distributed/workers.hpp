#pragma once

#include <string>

namespace echopath::distributed {

/// Runs one named part of a test as one process of a group. Returns the exit code: 0 where every
/// expectation held, 1 where not, the error's own code where an echopath::Error came.
int run_worker(const std::string& name);

}  // namespace echopath::distributed
