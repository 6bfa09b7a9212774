#pragma once

#include <cerrno>
#include <string>

namespace echopath::io {

/// What to do about a failed write, to be put after its reason; "" where `error` (an errno value)
/// does not say that the disk is full.
inline std::string disk_full_remedy(int error) {
  return error == ENOSPC || error == EDQUOT
             ? "; the disk is full: free some space or choose another folder"
             : "";
}

}  // namespace echopath::io
