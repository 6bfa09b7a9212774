#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::cli {

/// The options that every verb has.
struct CommonOptions {
  std::string device = "auto";
  std::optional<std::uint64_t> seed;
  int threads = 0;
  std::string log_level = "info";
  bool quiet = false;
  bool json = false;
};

/// What a verb does once the whole command line is parsed and the log is set up.
using Action = std::function<void(const CommonOptions&)>;

/// The command line: verbs with their options. A verb's action runs after parsing, so that errors
/// of the command line and errors of the work are told apart.
class Program {
 public:
  Program();

  /// Adds a verb with the common options. `example` is shown at the end of its help. The action
  /// runs when the verb was called; `action` may be empty where subverbs carry their own.
  CLI::App& add_verb(const std::string& name, const std::string& summary,
                     const std::string& example, Action action);
  /// Adds a word below a verb (`config show`), which shares the verb's common options: its help
  /// lists them. Without an `example` of its own its help shows the verb's.
  CLI::App& add_subverb(CLI::App& verb, const std::string& name, const std::string& summary,
                        Action action, const std::string& example = "");

  /// Parses, runs the action, and answers with the exit code. Errors are printed on standard error
  /// as one line.
  int run(int argc, char** argv);

  const CLI::App& app() const { return app_; }

 private:
  void parse(int argc, char** argv);
  void execute();

  CLI::App app_;
  CommonOptions common_;
  Action action_;
};

/// Adds one verb.
using AddVerb = void (*)(Program&);

/// Runs the program with these verbs.
int run_program(int argc, char** argv, const std::vector<AddVerb>& verbs);

/// Prints a result on standard output.
void print_json(const config::Json& json);

}  // namespace echopath::cli
