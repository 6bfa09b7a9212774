#pragma once

namespace echopath {

/// Intra-op threads of LibTorch; 0 leaves the default.
void set_threads(int threads);

}  // namespace echopath
