#pragma once

namespace echopath {

/// Intra-op threads of LibTorch; 0 leaves the default.
void set_threads(int threads);

/// LibTorch's work that the calling thread starts stays on it from now on: for threads that work
/// beside the one that computes.
void compute_on_this_thread_alone();

}  // namespace echopath
