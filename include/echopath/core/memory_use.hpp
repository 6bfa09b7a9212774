#pragma once

namespace echopath {

/// Bytes of memory that this process holds now (resident set); 0 where the system does not tell.
double resident_bytes();

}  // namespace echopath
