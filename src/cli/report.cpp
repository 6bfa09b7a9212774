#include "echopath/evaluation/report.hpp"

#include <iostream>

#include "cli/verbs.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {

void add_report(Program& program) {
  auto options = std::make_shared<evaluation::ReportOptions>();
  const auto run = [options](const CommonOptions& common) {
    const evaluation::ReportSummary done = evaluation::write_report(*options);
    if (common.json) {
      print_json(
          {{"page", done.page.string()}, {"chapters", done.chapters}, {"bytes", done.bytes}});
      return;
    }
    std::cout << "page  " << done.page.string() << " ("
              << human_bytes(static_cast<double>(done.bytes)) << "): " << join(done.chapters, "; ")
              << '\n';
  };
  CLI::App& verb = program.add_verb(
      "report", "One self-contained HTML page about a run, samples, or a folder of them",
      "echopath report samples --with privacy", run);
  verb.add_option("directory", options->directory,
                  "run, sample or evaluation directory, or a folder of several to compare")
      ->required()
      ->type_name("DIR");
  verb.add_option("--with", options->with,
                  "runs, samples or results of evaluations that lie elsewhere, repeatable")
      ->type_name("DIR")
      ->allow_extra_args(false);
  verb.add_option("--out", options->out, "page to write (default: report.html in DIR)")
      ->type_name("FILE");
  verb.add_option("--videos", options->videos_per_class,
                  "videos of each class and sampling (default 4)")
      ->check(CLI::Range(0, 1000).description(""))
      ->type_name("N");
  verb.add_option("--neighbours", options->neighbours,
                  "samples shown beside their nearest training video (default 12)")
      ->check(CLI::Range(0, 1000).description(""))
      ->type_name("N");
}

}  // namespace echopath::cli
