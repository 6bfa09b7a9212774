#include "config/ranges.hpp"
#include "echopath/config/options.hpp"

namespace echopath::config {
namespace {

class DescribeVisitor : public Visitor {
 public:
  DescribeVisitor(std::vector<OptionDescription>& rows, std::string prefix)
      : rows_(rows), prefix_(std::move(prefix)) {}

  void boolean(const char* name, bool& value, const char* help) override {
    add(name, "boolean", value, "", help);
  }
  void integer(const char* name, std::int64_t& value, IntegerRange range,
               const char* help) override {
    add(name, "integer", value, range_text(range), help);
  }
  void real(const char* name, double& value, RealRange range, const char* help) override {
    add(name, "real", value, range_text(range), help);
  }
  void text(const char* name, std::string& value, const char* help) override {
    add(name, "text", value, "", help);
  }
  void choice(const char* name, std::string& value, const std::vector<std::string>& allowed,
              const char* help) override {
    add(name, choice_text(allowed), value, "", help);
  }
  void integers(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                const char* help) override {
    add(name, "list of integers", value, range_text(range), help);
  }
  void reals(const char* name, std::vector<double>& value, RealRange range,
             const char* help) override {
    add(name, "list of reals", value, range_text(range), help);
  }
  void texts(const char* name, std::vector<std::string>& value, const char* help) override {
    add(name, "list of texts", value, "", help);
  }
  void optional_integer(const char* name, std::optional<std::int64_t>& value, IntegerRange range,
                        const char* help) override {
    add(name, "integer or null", value ? Json(*value) : Json(nullptr), range_text(range), help);
  }
  void integer_or_list(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                       const char* help) override {
    add(name, "integer or list", value.size() == 1 ? Json(value.front()) : Json(value),
        range_text(range), help);
  }
  void fixed(const char* name, const Json& value, const char* help) override {
    add(name, "fixed", value, "", help);
  }
  void ignored(const char* name, const Json& value, const char* help) override {
    add(name, "without effect", value, "", help);
  }
  void section(const char* name, const std::function<void(Visitor&)>& visit_members,
               const char* /*help*/) override {
    DescribeVisitor inner(rows_, prefix_ + name + ".");
    visit_members(inner);
  }

 private:
  void add(const char* name, const std::string& type, const Json& value, const std::string& range,
           const char* help) {
    rows_.push_back({prefix_ + name, type, value.dump(), range, help});
  }

  std::vector<OptionDescription>& rows_;
  std::string prefix_;
};

/// Text for a cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::vector<OptionDescription> describe(const VisitFunction& options) {
  std::vector<OptionDescription> rows;
  DescribeVisitor visitor(rows, "");
  options(visitor);
  return rows;
}

std::string describe_as_text(const VisitFunction& options) {
  std::string out;
  for (const OptionDescription& row : describe(options)) {
    out += row.key + " = " + row.default_value + "\n    " + row.type;
    if (!row.range.empty()) out += ", " + row.range;
    out += ": " + row.help + "\n";
  }
  return out;
}

std::string describe_as_markdown(const VisitFunction& options) {
  std::string out = "| key | type | default | range | meaning |\n|---|---|---|---|---|\n";
  for (const OptionDescription& row : describe(options)) {
    out += "| `" + row.key + "` | " + cell(row.type) + " | `" + cell(row.default_value) + "` | " +
           row.range + " | " + cell(row.help) + " |\n";
  }
  return out;
}

}  // namespace echopath::config
