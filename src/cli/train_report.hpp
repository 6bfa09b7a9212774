#pragma once

#include "echopath/training/train.hpp"

namespace echopath::cli {

/// What `echopath train` tells with --json.
config::Json to_json(const training::TrainReport& report, bool dry_run);
/// What it prints without, after a dry run and after a training.
void print_dry_run(const training::TrainReport& report);
void print_done(const training::TrainReport& report);

}  // namespace echopath::cli
