#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

/// The options that words of `eval` about videos share: --real and, where it may be left out,
/// --synthetic.
void add_compared_sets(CLI::App& verb, std::string& real, std::string& synthetic);
/// --real-split, --class and --videos: which videos of the sets.
void add_selection(CLI::App& verb, std::string& split, std::vector<std::string>& classes,
                   std::int64_t& limit);

}  // namespace echopath::cli
