#pragma once

#include "cli/program.hpp"

namespace echopath::cli {

/// One function per word below `eval`, each in the file of its name (the four distribution metrics
/// share eval_distribution.cpp).
void add_eval_fid(Program& program, CLI::App& eval);
void add_eval_fvd(Program& program, CLI::App& eval);
void add_eval_is(Program& program, CLI::App& eval);
void add_eval_generation(Program& program, CLI::App& eval);
void add_eval_anatomy(Program& program, CLI::App& eval);
void add_eval_motion(Program& program, CLI::App& eval);
void add_eval_agreement(Program& program, CLI::App& eval);
void add_eval_nearest(Program& program, CLI::App& eval);
void add_eval_drift(Program& program, CLI::App& eval);
void add_eval_compare(Program& program, CLI::App& eval);
void add_eval_classification(Program& program, CLI::App& eval);
void add_eval_privacy(Program& program, CLI::App& eval);

}  // namespace echopath::cli
