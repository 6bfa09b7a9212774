#pragma once

#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::config {

/// Sets options from one JSON object. One instance handles one object; nested objects get their
/// own.
class ApplyVisitor : public Visitor {
 public:
  struct Context {
    std::string source;         ///< what errors name first: a file, or "--set"
    const VisitFunction* root;  ///< every option, for suggestions
    /// The text behind `=` of --set, which a text option takes as it stands; null for files.
    const std::string* raw_text = nullptr;
  };

  ApplyVisitor(const Json& object, std::string prefix, const Context& context);

  void boolean(const char* name, bool& value, const char* help) override;
  void integer(const char* name, std::int64_t& value, IntegerRange range,
               const char* help) override;
  void real(const char* name, double& value, RealRange range, const char* help) override;
  void text(const char* name, std::string& value, const char* help) override;
  void choice(const char* name, std::string& value, const std::vector<std::string>& allowed,
              const char* help) override;
  void integers(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                const char* help) override;
  void reals(const char* name, std::vector<double>& value, RealRange range,
             const char* help) override;
  void texts(const char* name, std::vector<std::string>& value, const char* help) override;
  void optional_integer(const char* name, std::optional<std::int64_t>& value, IntegerRange range,
                        const char* help) override;
  void integer_or_list(const char* name, std::vector<std::int64_t>& value, IntegerRange range,
                       const char* help) override;
  void fixed(const char* name, const Json& value, const char* help) override;
  void ignored(const char* name, const Json& value, const char* help) override;
  void section(const char* name, const std::function<void(Visitor&)>& visit_members,
               const char* help) override;

  /// Throws ConfigError for the first key that no option claimed.
  void refuse_unknown_keys() const;

 private:
  /// The value given for `name`, or null where absent; remembers the name as known.
  const Json* find(const char* name);
  [[noreturn]] void fail(const std::string& name, const std::string& message) const;
  [[noreturn]] void fail_type(const std::string& name, const std::string& expected,
                              const Json& found) const;
  std::int64_t to_integer(const std::string& name, const Json& json, IntegerRange range) const;
  double to_real(const std::string& name, const Json& json, RealRange range) const;
  std::string to_text(const std::string& name, const Json& json) const;
  std::string suggestion(const std::string& name) const;

  const Json& object_;
  std::string prefix_;
  const Context& context_;
  std::vector<std::string> known_;
};

}  // namespace echopath::config
