#include "config/apply_visitor.hpp"
#include "config/ranges.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::config {
namespace {

/// The value of an override: JSON where it is JSON, else the bare word.
Json override_value(const std::string& override_text, const std::string& raw) {
  Json value = Json::parse(raw, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = raw;
  try {
    static_cast<void>(value.dump());
  } catch (const Json::exception&) {
    throw ConfigError("--set " + one_line(override_text) + ": the value is not valid UTF-8");
  }
  return value;
}

}  // namespace

void apply(const Json& json, const VisitFunction& options, const std::string& source) {
  if (!json.is_object()) {
    throw ConfigError(source + ": expected an object in braces at the top; found " +
                      value_text(json));
  }
  const ApplyVisitor::Context context{source, &options};
  ApplyVisitor visitor(json, "", context);
  options(visitor);
  visitor.refuse_unknown_keys();
}

void apply_overrides(const std::vector<std::string>& overrides, const VisitFunction& options) {
  for (const std::string& override_text : overrides) {
    const std::size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw ConfigError("--set " + one_line(override_text) +
                        ": expected key=value, such as training.learning_rate=1e-4");
    }
    const std::string raw = override_text.substr(equals + 1);
    Json json = override_value(override_text, raw);
    const std::vector<std::string> path = split(override_text.substr(0, equals), '.');
    for (auto part = path.rbegin(); part != path.rend(); ++part) {
      if (part->empty()) {
        throw ConfigError("--set " + one_line(override_text) + ": the key has an empty part");
      }
      json = Json::object({{*part, std::move(json)}});
    }
    const ApplyVisitor::Context context{"--set", &options, &raw};
    ApplyVisitor visitor(json, "", context);
    options(visitor);
    visitor.refuse_unknown_keys();
  }
}

}  // namespace echopath::config
