#include "cli/eval.hpp"

namespace echopath::cli {

void add_eval_privacy(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "privacy", "Looks for training patients in synthetic videos");
}

}  // namespace echopath::cli
