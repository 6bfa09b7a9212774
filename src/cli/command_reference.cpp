#include "cli/command_reference.hpp"

#include "cli/config_kind.hpp"
#include "cli/program.hpp"
#include "cli/suggestions.hpp"

namespace echopath::cli {
namespace {

std::string code_block(const std::string& text) {
  return "```\n" + text + "```\n";
}

/// The help that `app` prints. App::help() would answer with that of the subverb being run.
std::string help_of(const CLI::App& app, const std::string& called_as) {
  return app.get_formatter()->make_help(&app, called_as, CLI::AppFormatMode::Normal);
}

void add_verb_help(std::string& out, const CLI::App& verb, const std::string& path) {
  out += "\n### " + path + "\n\n" + code_block(help_of(verb, "echopath " + path));
  for (const std::string& name : verb_names(verb)) {
    add_verb_help(out, *verb.get_subcommand(name), path + " " + name);
  }
}

}  // namespace

std::string command_reference(const Program& program) {
  std::string out =
      "# Command line\n\n"
      "<!-- Written by scripts/generate_docs.sh from the program itself: do not edit. -->\n\n" +
      code_block(help_of(program.app(), "echopath")) +
      "\nResults go to standard output, log lines and progress to standard error. The first "
      "SIGINT or SIGTERM saves what is worth keeping and ends with exit code 130; a second SIGINT "
      "ends at once.\n\n## Verbs\n";
  for (const std::string& name : verb_names(program.app())) {
    add_verb_help(out, *program.app().get_subcommand(name), name);
  }
  out +=
      "\n## Config files\n\n"
      "JSON with `//` and `/* */` comments. Keys that start with `_` are skipped. Absent keys keep "
      "their defaults. `--set key.path=value` overrides a key; the value is JSON or a bare word. "
      "`$ECHOPATH_HOME` names the folder that holds `configs/` and `models/` where they are not "
      "found beside the program.\n";
  for (const std::string& kind : config_kinds()) {
    out += "\n### " + kind + "\n\n" + config::describe_as_markdown(options_of(kind));
  }
  return out;
}

}  // namespace echopath::cli
