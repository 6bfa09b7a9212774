#include <iostream>

#include "cli/command_reference.hpp"
#include "cli/config_kind.hpp"
#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::cli {
namespace {

void list_configs(const CommonOptions& common) {
  const std::vector<std::string> names = shipped_configs();
  if (common.json) {
    print_json(names);
    return;
  }
  for (const std::string& name : names) std::cout << "configs/" << name << '\n';
}

void show(const std::string& name, const CommonOptions& common) {
  const config::VisitFunction options = options_of(name);
  if (!common.json) {
    std::cout << config::describe_as_text(options);
    return;
  }
  config::Json rows = config::Json::array();
  for (const config::OptionDescription& row : config::describe(options)) {
    rows.push_back({{"key", row.key},
                    {"type", row.type},
                    {"default", config::Json::parse(row.default_value)},
                    {"range", row.range},
                    {"help", row.help}});
  }
  print_json(rows);
}

void check(const std::string& file, const std::string& kind, const CommonOptions& common) {
  const std::string path = find_config(file).string();
  const std::string network = kind.empty() ? kind_of_file(path) : kind;
  const config::Json complete = check_config_of(network, path);
  if (common.json) {
    print_json({{"file", path}, {"kind", network}, {"config", complete}});
  } else {
    std::cout << path << ": a valid config of " << network << '\n';
  }
}

}  // namespace

void add_config(Program& program) {
  struct Options {
    std::string name;
    std::string kind;
  };
  auto options = std::make_shared<Options>();
  CLI::App& verb =
      program.add_verb("config", "Lists, explains and checks configs",
                       "echopath config show lidm\n  echopath config check my_lidm.json", {});
  verb.require_subcommand(1);
  program.add_subverb(verb, "list", "the configs that ship", list_configs);
  CLI::App& show_verb =
      program.add_subverb(verb, "show", "every option of a network: key, default, range, meaning",
                          [options](const CommonOptions& common) { show(options->name, common); });
  show_verb.add_option("name", options->name, "vae, lidm, lvdm, reid, classifier or sample")
      ->required()
      ->type_name("NAME");
  CLI::App& check_verb = program.add_subverb(
      verb, "check", "reads a config and says whether it is valid",
      [options](const CommonOptions& common) { check(options->name, options->kind, common); });
  check_verb.add_option("file", options->name, "config file")->required()->type_name("FILE");
  check_verb
      .add_option("--kind", options->kind,
                  "what it configures (default: told by the file's name: lidm.json, my_lidm.json, "
                  "classifier_asd.json)")
      ->type_name("NAME");
  program
      .add_subverb(verb, "docs", "prints docs/cli.md",
                   [&program](const CommonOptions&) { std::cout << command_reference(program); })
      .group("");
}

}  // namespace echopath::cli
