#include "cli/eval.hpp"

#include "cli/verbs.hpp"

namespace echopath::cli {

void add_compared_sets(CLI::App& verb, std::string& real, std::string& synthetic) {
  verb.add_option("--real", real, "dataset directory, or a folder of videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--synthetic", synthetic,
                  "sample directory, dataset directory or folder of videos; left out: real alone")
      ->type_name("DIR");
}

void add_selection(CLI::App& verb, std::string& split, std::vector<std::string>& classes,
                   std::int64_t& limit) {
  verb.add_option("--real-split", split, "real videos of this split only (TRAIN, VAL, TEST)")
      ->type_name("NAME");
  verb.add_option("--class", classes, "only this class, repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME");
  verb.add_option("--videos", limit, "videos of each class and set at most (0: all)")
      ->capture_default_str()
      ->type_name("N");
}

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
