#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace echopath::config {

using Json = nlohmann::ordered_json;

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct RealRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// Visits the options of a struct. A struct declares each option once, in
/// `void visit(config::Visitor& v)`, with name, default (the member's value), range and one line of
/// help; parsing, validation, dumping and documentation are visitors over that declaration.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void boolean(const char* name, bool& value, const char* help) = 0;
  virtual void integer(const char* name, std::int64_t& value, IntegerRange range,
                       const char* help) = 0;
  virtual void real(const char* name, double& value, RealRange range, const char* help) = 0;
  virtual void text(const char* name, std::string& value, const char* help) = 0;
  /// A text that must be one of `allowed`.
  virtual void choice(const char* name, std::string& value, const std::vector<std::string>& allowed,
                      const char* help) = 0;
  virtual void integers(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                        const char* help) = 0;
  virtual void reals(const char* name, std::vector<double>& value, RealRange range,
                     const char* help) = 0;
  virtual void texts(const char* name, std::vector<std::string>& value, const char* help) = 0;
  /// An integer or null.
  virtual void optional_integer(const char* name, std::optional<std::int64_t>& value,
                                IntegerRange range, const char* help) = 0;
  /// An integer, which stands for every block, or a list with one integer for each: diffusers'
  /// `num_attention_heads`, `layers_per_block`. Held as a list of length 1 or of one per block.
  virtual void integer_or_list(const char* name, std::vector<std::int64_t>& value,
                               IntegerRange range, const char* help) = 0;
  /// A key that other programs write and for which we support exactly one value: another value is
  /// refused by name.
  virtual void fixed(const char* name, const Json& value, const char* help) = 0;
  /// A key of other programs that has no effect on what is computed; any value of the default's
  /// kind and null are accepted, and the default is written.
  virtual void ignored(const char* name, const Json& value, const char* help) = 0;
  /// A nested object.
  virtual void section(const char* name, const std::function<void(Visitor&)>& visit_members,
                       const char* help) = 0;

  template <class Options>
  void nested(const char* name, Options& options, const char* help) {
    section(
        name, [&options](Visitor& v) { options.visit(v); }, help);
  }
};

using VisitFunction = std::function<void(Visitor&)>;

/// Wraps an options struct as a visit function.
template <class Options>
VisitFunction visit_of(Options& options) {
  return [&options](Visitor& v) { options.visit(v); };
}

/// Reads JSON with // and /* */ comments. Throws ConfigError with file, line and column.
Json read_json(const std::string& path);
/// The same from text; `source` names it in errors.
Json parse_json(const std::string& text, const std::string& source);

/// Sets the options from `json`. Absent keys keep their values; keys that start with "_" are
/// skipped. Unknown keys, wrong types and values out of range throw ConfigError naming `source`,
/// the dotted key and the nearest valid name.
void apply(const Json& json, const VisitFunction& options, const std::string& source);

/// Applies `key.path=value` texts of --set, values in JSON or bare words.
void apply_overrides(const std::vector<std::string>& overrides, const VisitFunction& options);

/// The options as they stand, in declaration order.
Json dump(const VisitFunction& options);

/// One row per option for documentation.
struct OptionDescription {
  std::string key;   ///< dotted path
  std::string type;  ///< "integer", "real", "one of a|b"…
  std::string default_value;
  std::string range;  ///< empty where unlimited
  std::string help;
};
std::vector<OptionDescription> describe(const VisitFunction& options);
/// The same as text, two lines for each option, or as a Markdown table.
std::string describe_as_text(const VisitFunction& options);
std::string describe_as_markdown(const VisitFunction& options);

}  // namespace echopath::config
