#include "cli/eval.hpp"

namespace echopath::cli {

void add_eval_classification(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "classification",
                       "Trains and tests classifiers on real and synthetic videos");
}

}  // namespace echopath::cli
