#include "cli/eval.hpp"

#include "cli/verbs.hpp"

namespace echopath::cli {

void add_eval(Program& program) {
  CLI::App& verb = program.add_verb("eval", "Measures synthetic videos",
                                    "echopath eval fvd --real data --synthetic samples", {});
  verb.require_subcommand(1);
  add_eval_fid(program, verb);
  add_eval_fvd(program, verb);
  add_eval_is(program, verb);
  add_eval_generation(program, verb);
  add_eval_anatomy(program, verb);
  add_eval_motion(program, verb);
  add_eval_agreement(program, verb);
  add_eval_nearest(program, verb);
  add_eval_drift(program, verb);
  add_eval_compare(program, verb);
  add_eval_classification(program, verb);
  add_eval_privacy(program, verb);
}

}  // namespace echopath::cli
