#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace echopath::cli {

/// Throws UsageError with the nearest name for a first word that is no verb, a second word that is
/// no action of a verb that has actions, and a --flag that the verb does not have.
void refuse_unknown_words(const CLI::App& program, const std::vector<std::string>& arguments);

/// Names of the verbs in the order in which they were added.
std::vector<std::string> verb_names(const CLI::App& app);

/// Accepts 0…2^64−1 and nothing else (the library wraps negative numbers around).
CLI::Validator non_negative_integer();

}  // namespace echopath::cli
