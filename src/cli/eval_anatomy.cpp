#include "cli/eval.hpp"

namespace echopath::cli {

void add_eval_anatomy(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "anatomy",
                       "Reads chambers, septum and motion of real and synthetic videos");
}

}  // namespace echopath::cli
