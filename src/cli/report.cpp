#include "cli/verbs.hpp"

namespace echopath::cli {

void add_report(Program& program) {
  program.add_unavailable("report",
                          "One self-contained HTML page about a run or a sample directory",
                          "echopath report runs/lvdm",
                          "the page; a run's numbers are in its metrics.jsonl, a sample's in its "
                          "manifest.jsonl and index.html");
}

}  // namespace echopath::cli
