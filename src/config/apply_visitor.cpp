#include "config/apply_visitor.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "config/ranges.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::config {
namespace {

std::string described(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "the boolean " + value_text(value);
    case Json::value_t::string:
      return "the text " + value_text(value);
    case Json::value_t::array:
      return "the list " + value_text(value);
    case Json::value_t::object:
      return "the object " + value_text(value);
    default:
      return "the number " + value_text(value);
  }
}

/// What a value of the same kind as `value` is called.
std::string kind_of(const Json& value) {
  if (value.is_boolean()) return "true or false";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a text";
  return value.is_array() ? "a list" : "an object";
}

std::string item_name(const std::string& name, std::size_t index) {
  return name + '[' + std::to_string(index) + ']';
}

std::string with_range(const std::string& what, const std::string& range) {
  return range.empty() ? what : what + ", " + range;
}

}  // namespace

ApplyVisitor::ApplyVisitor(const Json& object, std::string prefix, const Context& context)
    : object_(object), prefix_(std::move(prefix)), context_(context) {}

const Json* ApplyVisitor::find(const char* name) {
  known_.emplace_back(name);
  const auto it = object_.find(name);
  return it == object_.end() ? nullptr : &*it;
}

void ApplyVisitor::fail(const std::string& name, const std::string& message) const {
  // Keys and values are foreign text: a line break in one must not break the message.
  throw ConfigError(one_line(context_.source + ": " + prefix_ + name + ": " + message));
}

void ApplyVisitor::fail_type(const std::string& name, const std::string& expected,
                             const Json& found) const {
  fail(name, "expected " + expected + "; found " + described(found));
}

std::int64_t ApplyVisitor::to_integer(const std::string& name, const Json& json,
                                      IntegerRange range) const {
  const std::string expected = with_range("an integer", range_text(range));
  constexpr double kExactDoubles = 9007199254740992.0;  // 2^53: beyond, doubles skip integers
  std::int64_t value = 0;
  if (json.is_number_unsigned()) {
    const auto positive = json.get<std::uint64_t>();
    if (positive > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail(name, value_text(json) + " is out of range; expected " + expected);
    }
    value = static_cast<std::int64_t>(positive);
  } else if (json.is_number_integer()) {
    value = json.get<std::int64_t>();
  } else if (json.is_number_float() && std::trunc(json.get<double>()) == json.get<double>() &&
             std::abs(json.get<double>()) <= kExactDoubles) {
    value = static_cast<std::int64_t>(json.get<double>());  // 1e5 is an integer to people
  } else {
    fail_type(name, expected, json);
  }
  if (value < range.min || value > range.max) {
    fail(name, value_text(json) + " is out of range; expected " + expected);
  }
  return value;
}

double ApplyVisitor::to_real(const std::string& name, const Json& json, RealRange range) const {
  const std::string expected = with_range("a number", range_text(range));
  if (!json.is_number()) fail_type(name, expected, json);
  const double value = json.get<double>();
  if (!std::isfinite(value) || value < range.min || value > range.max) {
    fail(name, value_text(json) + " is out of range; expected " + expected);
  }
  return value;
}

std::string ApplyVisitor::to_text(const std::string& name, const Json& json) const {
  if (json.is_string()) return json.get<std::string>();
  if (context_.raw_text != nullptr && json.is_primitive()) return *context_.raw_text;
  fail_type(name, "a text", json);
}

void ApplyVisitor::boolean(const char* name, bool& value, const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_boolean()) fail_type(name, "true or false", *json);
  value = json->get<bool>();
}

void ApplyVisitor::integer(const char* name, std::int64_t& value, IntegerRange range,
                           const char* /*help*/) {
  if (const Json* json = find(name)) value = to_integer(name, *json, range);
}

void ApplyVisitor::real(const char* name, double& value, RealRange range, const char* /*help*/) {
  if (const Json* json = find(name)) value = to_real(name, *json, range);
}

void ApplyVisitor::text(const char* name, std::string& value, const char* /*help*/) {
  if (const Json* json = find(name)) value = to_text(name, *json);
}

void ApplyVisitor::choice(const char* name, std::string& value,
                          const std::vector<std::string>& allowed, const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  const std::string given = to_text(name, *json);
  if (std::find(allowed.begin(), allowed.end(), given) == allowed.end()) {
    const std::string nearest = nearest_name(given, allowed);
    fail(name, "'" + given + "' is not known; expected " + choice_text(allowed) +
                   (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
  }
  value = given;
}

void ApplyVisitor::integers(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                            const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_type(name, "a list of integers", *json);
  std::vector<std::int64_t> given;
  for (const Json& item : *json) {
    given.push_back(to_integer(item_name(name, given.size()), item, range));
  }
  value = std::move(given);
}

void ApplyVisitor::reals(const char* name, std::vector<double>& value, RealRange range,
                         const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_type(name, "a list of numbers", *json);
  std::vector<double> given;
  for (const Json& item : *json) {
    given.push_back(to_real(item_name(name, given.size()), item, range));
  }
  value = std::move(given);
}

void ApplyVisitor::texts(const char* name, std::vector<std::string>& value, const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_type(name, "a list of texts", *json);
  std::vector<std::string> given;
  for (const Json& item : *json) {
    const std::string place = item_name(name, given.size());
    if (!item.is_string()) fail_type(place, "a text", item);
    given.push_back(item.get<std::string>());
  }
  value = std::move(given);
}

void ApplyVisitor::optional_integer(const char* name, std::optional<std::int64_t>& value,
                                    IntegerRange range, const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (json->is_null()) {
    value.reset();
  } else if (json->is_number()) {
    value = to_integer(name, *json, range);
  } else {
    fail_type(name, with_range("an integer or null", range_text(range)), *json);
  }
}

void ApplyVisitor::integer_or_list(const char* name, std::vector<std::int64_t>& value,
                                   IntegerRange range, const char* help) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (json->is_array()) {
    if (json->empty()) fail(name, "the list is empty; expected one integer per block");
    known_.pop_back();
    integers(name, value, range, help);
  } else if (json->is_number()) {
    value = {to_integer(name, *json, range)};
  } else {
    fail_type(name, "an integer or a list of integers", *json);
  }
}

void ApplyVisitor::fixed(const char* name, const Json& value, const char* help) {
  const Json* json = find(name);
  if (json != nullptr && *json != value) {
    fail(name,
         "only " + value_text(value) + " is supported (" + help + "); found " + value_text(*json));
  }
}

void ApplyVisitor::ignored(const char* name, const Json& value, const char* /*help*/) {
  const Json* json = find(name);
  if (json == nullptr || json->is_null() || value.is_null()) return;
  const bool same_kind = value.is_number() ? json->is_number() : json->type() == value.type();
  if (!same_kind) fail_type(name, kind_of(value), *json);
}

void ApplyVisitor::section(const char* name, const std::function<void(Visitor&)>& visit_members,
                           const char* /*help*/) {
  static const Json kEmpty = Json::object();
  const Json* json = find(name);
  if (json != nullptr && !json->is_object()) fail_type(name, "an object", *json);
  ApplyVisitor members(json == nullptr ? kEmpty : *json, prefix_ + name + ".", context_);
  visit_members(members);
  members.refuse_unknown_keys();
}

std::string ApplyVisitor::suggestion(const std::string& name) const {
  const std::string sibling = nearest_name(name, known_);
  if (!sibling.empty()) return "; did you mean '" + prefix_ + sibling + "'?";
  std::vector<std::string> keys;
  std::vector<std::string> last_parts;
  for (const OptionDescription& option : describe(*context_.root)) {
    keys.push_back(option.key);
    last_parts.push_back(option.key.substr(option.key.rfind('.') + 1));
  }
  const std::string elsewhere = nearest_name(name, last_parts);
  if (!elsewhere.empty()) {
    const auto at = std::find(last_parts.begin(), last_parts.end(), elsewhere) - last_parts.begin();
    return "; did you mean '" + keys[static_cast<std::size_t>(at)] + "'?";
  }
  return "; known here: " + join(known_, ", ");
}

void ApplyVisitor::refuse_unknown_keys() const {
  for (const auto& [name, value] : object_.items()) {
    if (!name.empty() && name.front() == '_') continue;
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      fail(name, "unknown key" + suggestion(name));
    }
  }
}

}  // namespace echopath::config
