#include "cli/verbs.hpp"

namespace echopath::cli {

void add_eval(Program& program) {
  program.add_unavailable(
      "eval",
      "Measures synthetic videos: fid, fvd, is, generation, anatomy, classification, privacy",
      "echopath eval fvd --real data --synthetic samples", "the metrics and their detectors");
}

}  // namespace echopath::cli
