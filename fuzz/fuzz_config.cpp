#include "echopath/config/options.hpp"
#include "fuzz_input.hpp"

namespace {

using namespace echopath;

struct Inner {
  std::vector<double> reals = {0.5};
  std::vector<std::string> texts = {"a"};
  std::optional<std::int64_t> maybe;

  void visit(config::Visitor& v) {
    v.reals("reals", reals, {0.0, 1.0}, "numbers");
    v.texts("texts", texts, "texts");
    v.optional_integer("maybe", maybe, {0, 9}, "an integer or null");
  }
};

/// One option of every kind.
struct Options {
  bool flag = false;
  std::int64_t steps = 1;
  double rate = 1e-4;
  std::string name = "x";
  std::string kind = "a";
  std::vector<std::int64_t> sizes = {1, 2};
  std::vector<std::int64_t> heads = {8};
  Inner inner;

  void visit(config::Visitor& v) {
    v.boolean("flag", flag, "a truth value");
    v.integer("steps", steps, {1, 1000}, "an integer");
    v.real("rate", rate, {0.0, 1.0}, "a number");
    v.text("name", name, "a text");
    v.choice("kind", kind, {"a", "b"}, "a choice");
    v.integers("sizes", sizes, {1, 64}, "integers");
    v.integer_or_list("heads", heads, {1, 64}, "an integer or integers");
    v.fixed("fixed", 1, "only 1");
    v.ignored("ignored", nullptr, "anything");
    v.nested("inner", inner, "more");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::expect_result_or_error([&] {
    Options options;
    config::apply(config::parse_json(text, "fuzz.json"), config::visit_of(options), "fuzz.json");
    // What was accepted can be written and read again.
    Options copy;
    const config::Json written = config::dump(config::visit_of(options));
    config::apply(written, config::visit_of(copy), "dump");
    if (config::dump(config::visit_of(copy)) != written) {
      std::abort();
    }
  });
  return fuzz::expect_result_or_error([&] {
    Options options;
    config::apply_overrides({text}, config::visit_of(options));
  });
}
