#include "cli/eval.hpp"

namespace echopath::cli {

void add_eval_fid(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "fid", "Fréchet distance of frames");
}

void add_eval_fvd(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "fvd", "Fréchet distance of clips");
}

void add_eval_is(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "is", "inception score of frames");
}

void add_eval_generation(Program& program, CLI::App& eval) {
  add_eval_unavailable(program, eval, "generation", "all distribution metrics at once");
}

}  // namespace echopath::cli
