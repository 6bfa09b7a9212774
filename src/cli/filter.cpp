#include "cli/verbs.hpp"

namespace echopath::cli {

void add_filter(Program& program) {
  program.add_unavailable(
      "filter", "The re-ID privacy filter over latents or videos that exist already",
      "echopath filter --real data --synthetic samples --model models/phantom",
      "filtering existing files; `echopath sample` applies the same gate to each heart frame that "
      "it makes");
}

}  // namespace echopath::cli
