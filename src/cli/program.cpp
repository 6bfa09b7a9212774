#include "cli/program.hpp"

#include <iostream>
#include <new>

#include "cli/error_report.hpp"
#include "cli/suggestions.hpp"
#include "echopath/core/allocator.hpp"
#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/core/threads.hpp"

namespace echopath::cli {
namespace {

constexpr const char* kSummary =
    "Trains and runs Echo-Path, a generator of echocardiogram videos for a given pathology, and "
    "measures what comes out. For research, not for diagnosis.";
constexpr const char* kFooter =
    "echopath VERB --help shows a verb's options and an example.\n"
    "Exit codes: 0 done, 1 internal error, 2 wrong usage or config, 3 bad input data, 4 device,\n"
    "130 interrupted.";
constexpr const char* kCommonGroup = "Common options";

std::string example_footer(const std::string& example) {
  return "Example:\n  " + example;
}

/// Help of a word below a verb: the verb's common options, which it takes too, follow its own.
class SubverbFormatter : public CLI::Formatter {
 public:
  std::string make_footer(const CLI::App* app) const override {
    const std::vector<const CLI::Option*> common = app->get_parent()->get_options(
        [](const CLI::Option* option) { return option->get_group() == kCommonGroup; });
    return make_group(kCommonGroup, false, common) + "\n" + CLI::Formatter::make_footer(app);
  }
};

void add_common_options(CLI::App& verb, CommonOptions& common) {
  const std::string group = kCommonGroup;
  verb.add_option("--device", common.device, "auto, cpu or cuda[:i]")
      ->capture_default_str()
      ->type_name("DEVICE")
      ->group(group);
  verb.add_option("--seed", common.seed, "seed of every random draw")
      ->check(non_negative_integer())
      ->type_name("N")
      ->group(group);
  verb.add_option("--threads", common.threads, "threads of the CPU; 0 leaves the default")
      ->check(CLI::Range(0, 4096).description(""))
      ->type_name("N")
      ->group(group);
  verb.add_option("--log-level", common.log_level, "trace, debug, info, warn, error or off")
      ->capture_default_str()
      ->type_name("LEVEL")
      ->group(group);
  verb.add_flag("--quiet", common.quiet, "no progress, warnings and errors only")->group(group);
  verb.add_flag("--json", common.json, "print the result as JSON on standard output")->group(group);
}

}  // namespace

Program::Program() : app_(kSummary, "echopath") {
  app_.require_subcommand(0, 1);
  app_.footer(kFooter);
  app_.set_version_flag("--version", "echopath " + version());
  app_.get_formatter()->label("SUBCOMMAND", "VERB");
}

CLI::App& Program::add_verb(const std::string& name, const std::string& summary,
                            const std::string& example, Action action) {
  CLI::App* verb = app_.add_subcommand(name, summary);
  verb->group("Verbs");
  verb->footer(example_footer(example));
  add_common_options(*verb, common_);
  if (action) verb->callback([this, action = std::move(action)] { action_ = action; });
  return *verb;
}

CLI::App& Program::add_subverb(CLI::App& verb, const std::string& name, const std::string& summary,
                               Action action, const std::string& example) {
  CLI::App* subverb = verb.add_subcommand(name, summary);
  subverb->group("Actions");
  subverb->formatter(std::make_shared<SubverbFormatter>());
  subverb->footer(example.empty() ? verb.get_footer() : example_footer(example));
  subverb->fallthrough();
  subverb->callback([this, action = std::move(action)] { action_ = action; });
  return *subverb;
}

void Program::parse(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  refuse_unknown_words(app_, arguments);
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& error) {
    const auto called = app_.get_subcommands();
    const std::string verb = called.empty() ? "" : called.front()->get_name();
    throw UsageError((verb.empty() ? "" : verb + ": ") + first_line(error.what()) +
                     "; see echopath " + (verb.empty() ? "" : verb + " ") + "--help");
  }
  if (app_.get_subcommands().empty()) {
    throw UsageError("which verb? One of " + join(verb_names(app_), ", ") +
                     "; see echopath --help");
  }
}

void Program::execute() {
  initialise_logging(common_.log_level, common_.quiet);
  install_interrupt_handlers();
  set_threads(common_.threads);
  keep_freed_memory();
  action_(common_);
  if (!std::cout.flush()) {
    throw DataError("cannot write to standard output; is the disk full or the pipe closed?");
  }
}

int Program::run(int argc, char** argv) {
  try {
    parse(argc, argv);
    execute();
    return static_cast<int>(ExitCode::kDone);
  } catch (const CLI::Success& request) {  // --help, --version
    return app_.exit(request);
  } catch (...) {
    return report_current_exception(std::cerr);
  }
}

int run_program(int argc, char** argv, const std::vector<AddVerb>& verbs) {
  Program program;
  for (const AddVerb add : verbs) add(program);
  return program.run(argc, argv);
}

void print_json(const config::Json& json) {
  std::cout << json.dump(2) << '\n';
}

}  // namespace echopath::cli
