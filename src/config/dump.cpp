#include "echopath/config/options.hpp"

namespace echopath::config {
namespace {

class DumpVisitor : public Visitor {
 public:
  explicit DumpVisitor(Json& object) : object_(object) {}

  void boolean(const char* name, bool& value, const char* /*help*/) override {
    object_[name] = value;
  }
  void integer(const char* name, std::int64_t& value, IntegerRange /*range*/,
               const char* /*help*/) override {
    object_[name] = value;
  }
  void real(const char* name, double& value, RealRange /*range*/, const char* /*help*/) override {
    object_[name] = value;
  }
  void text(const char* name, std::string& value, const char* /*help*/) override {
    object_[name] = value;
  }
  void choice(const char* name, std::string& value, const std::vector<std::string>& /*allowed*/,
              const char* /*help*/) override {
    object_[name] = value;
  }
  void integers(const char* name, std::vector<std::int64_t>& value, IntegerRange /*range*/,
                const char* /*help*/) override {
    object_[name] = value;
  }
  void reals(const char* name, std::vector<double>& value, RealRange /*range*/,
             const char* /*help*/) override {
    object_[name] = value;
  }
  void texts(const char* name, std::vector<std::string>& value, const char* /*help*/) override {
    object_[name] = value;
  }
  void optional_integer(const char* name, std::optional<std::int64_t>& value,
                        IntegerRange /*range*/, const char* /*help*/) override {
    object_[name] = value ? Json(*value) : Json(nullptr);
  }
  void integer_or_list(const char* name, std::vector<std::int64_t>& value, IntegerRange /*range*/,
                       const char* /*help*/) override {
    object_[name] = value.size() == 1 ? Json(value.front()) : Json(value);
  }
  void fixed(const char* name, const Json& value, const char* /*help*/) override {
    object_[name] = value;
  }
  void ignored(const char* name, const Json& value, const char* /*help*/) override {
    object_[name] = value;
  }
  void section(const char* name, const std::function<void(Visitor&)>& visit_members,
               const char* /*help*/) override {
    Json members = Json::object();
    DumpVisitor inner(members);
    visit_members(inner);
    object_[name] = std::move(members);
  }

 private:
  Json& object_;
};

}  // namespace

Json dump(const VisitFunction& options) {
  Json object = Json::object();
  DumpVisitor visitor(object);
  options(visitor);
  return object;
}

}  // namespace echopath::config
