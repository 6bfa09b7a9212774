#pragma once

#include <string>
#include <vector>

namespace echopath::training {

/// Runs one part of a test as one process of a run: a name and its arguments. Prints an error as
/// the program does and returns its code.
///   gradients FOLDER MICRO   LIDM, LVDM and VAE on FOLDER/latents and FOLDER/videos with this
///                            micro-batch size; rank 0 writes <network>.float32.safetensors and
///                            .float64.safetensors (gradients of one step) and the run directory
///                            <network> (20 steps) into FOLDER/<world size>
///   train NETWORK RUN LATENTS KEY=VALUE…   run_training(); "--resume" among the options resumes
int run_worker(const std::vector<std::string>& arguments);

}  // namespace echopath::training
