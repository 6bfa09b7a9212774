#include "cli/suggestions.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

std::vector<const CLI::App*> children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App* child(const CLI::App& app, const std::string& name) {
  for (const CLI::App* candidate : children(app)) {
    if (candidate->get_name() == name) return candidate;
  }
  return nullptr;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  if (!nearest.empty()) return "did you mean '" + nearest + "'?";
  return "known: " + join(candidates, ", ");
}

std::vector<std::string> long_flags(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// The child that `word` names. Throws UsageError on a word that names none.
const CLI::App* called_child(const CLI::App& app, const std::string& kind,
                             const std::string& word) {
  const CLI::App* called = child(app, word);
  if (called == nullptr) {
    throw UsageError("unknown " + kind + " '" + word + "'; " + did_you_mean(word, verb_names(app)));
  }
  return called;
}

}  // namespace

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* candidate : children(app)) {
    if (!candidate->get_group().empty()) names.push_back(candidate->get_name());
  }
  return names;
}

void refuse_unknown_words(const CLI::App& program, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front().empty() || arguments.front().front() == '-') return;
  const CLI::App* verb = called_child(program, "verb", arguments.front());
  if (verb->get_allow_extras()) return;
  std::vector<std::string> known = long_flags(*verb);
  if (!children(*verb).empty() && arguments.size() > 1 && arguments[1].rfind('-', 0) != 0) {
    const CLI::App* action = called_child(*verb, verb->get_name() + " action", arguments[1]);
    const std::vector<std::string> more = long_flags(*action);
    known.insert(known.end(), more.begin(), more.end());
  }
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument.rfind("--", 0) != 0) continue;
    const std::string flag = argument.substr(0, argument.find('='));
    if (std::find(known.begin(), known.end(), flag) == known.end()) {
      throw UsageError(verb->get_name() + ": unknown option '" + flag + "'; " +
                       did_you_mean(flag, known));
    }
  }
}

CLI::Validator non_negative_integer() {
  return {[](std::string& text) {
            std::uint64_t value = 0;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc() || end != text.data() + text.size()) {
              return "'" + text + "' is not an integer from 0 to 18446744073709551615";
            }
            return std::string();
          },
          "", "non_negative_integer"};
}

}  // namespace echopath::cli
