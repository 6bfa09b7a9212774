#include "echopath/config/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "echopath/core/errors.hpp"

namespace echopath::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct TrainingSample {
  std::int64_t steps = 100;
  double learning_rate = 1e-4;
  void visit(Visitor& v) {
    v.integer("steps", steps, {1, 1000000}, "optimisation steps");
    v.real("learning_rate", learning_rate, {0, 10}, "step size");
  }
};

struct Sample {
  bool balance = false;
  std::string name = "x";
  std::string optimizer = "adam";
  std::vector<std::int64_t> channels = {32, 64};
  std::vector<double> weights = {0.5};
  std::vector<std::string> classes = {"ASD"};
  std::optional<std::int64_t> width;
  std::vector<std::int64_t> heads = {8};
  TrainingSample training;
  void visit(Visitor& v) {
    v.boolean("balance", balance, "draw classes equally often");
    v.text("name", name, "a name");
    v.choice("optimizer", optimizer, {"adam", "adamw"}, "the optimizer");
    v.integers("channels", channels, {1, 4096}, "channels per block");
    v.reals("weights", weights, {0, 1}, "weights");
    v.texts("classes", classes, "class names");
    v.optional_integer("width", width, {1}, "width or null");
    v.integer_or_list("heads", heads, {1}, "attention heads");
    v.fixed("act_fn", "silu", "activation");
    v.ignored("_class_name", "Sample", "written by diffusers");
    v.ignored("sample_size", 16, "no effect");
    v.nested("training", training, "step loop");
  }
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.what();
  }
  return "no error";
}

std::string error_of_text(const std::string& text) {
  return error_of([&] {
    Sample sample;
    apply(parse_json(text, "x.json"), visit_of(sample), "x.json");
  });
}

std::string error_of_override(const std::string& text) {
  return error_of([&] {
    Sample sample;
    apply_overrides({text}, visit_of(sample));
  });
}

TEST(ConfigApply, SetsGivenKeysAndKeepsTheOthers) {
  Sample sample;
  apply(parse_json(R"({
          // a comment
          "balance": true, "optimizer": "adamw", /* another */
          "channels": [1, 2, 3], "weights": [1, 0.25], "classes": ["a", "b"], "width": 7,
          "heads": [1, 2], "sample_size": 0.5, "_comment": [], "act_fn": "silu",
          "training": {"steps": 1e5}})",
                   "x.json"),
        visit_of(sample), "x.json");
  EXPECT_TRUE(sample.balance);
  EXPECT_EQ(sample.name, "x");
  EXPECT_EQ(sample.optimizer, "adamw");
  EXPECT_THAT(sample.channels, ElementsAre(1, 2, 3));
  EXPECT_THAT(sample.weights, ElementsAre(1.0, 0.25));
  EXPECT_THAT(sample.classes, ElementsAre("a", "b"));
  EXPECT_EQ(sample.width, 7);
  EXPECT_THAT(sample.heads, ElementsAre(1, 2));
  EXPECT_EQ(sample.training.steps, 100000);
  EXPECT_EQ(sample.training.learning_rate, 1e-4);
}

TEST(ConfigApply, NullClearsAnOptionalAndANumberFillsAList) {
  Sample sample;
  sample.width = 3;
  apply(parse_json(R"({"width": null, "heads": 5})", "t"), visit_of(sample), "t");
  EXPECT_FALSE(sample.width.has_value());
  EXPECT_THAT(sample.heads, ElementsAre(5));
}

TEST(ConfigApply, MisspeltKeyNamesFileKeyAndNearestName) {
  EXPECT_EQ(error_of_text(R"({"training": {"learning_rat": 1}})"),
            "x.json: training.learning_rat: unknown key; did you mean 'training.learning_rate'?");
}

TEST(ConfigApply, KeyInTheWrongSectionIsPointedToItsPlace) {
  EXPECT_EQ(error_of_text(R"({"learning_rate": 1})"),
            "x.json: learning_rate: unknown key; did you mean 'training.learning_rate'?");
}

TEST(ConfigApply, KeyNearNothingListsTheKnownOnes) {
  EXPECT_EQ(error_of_text(R"({"training": {"qqqqqqqqqqqq": 1}})"),
            "x.json: training.qqqqqqqqqqqq: unknown key; known here: steps, learning_rate");
}

TEST(ConfigApply, WrongTypeNamesExpectedAndFound) {
  EXPECT_EQ(error_of_text(R"({"training": {"steps": "many"}})"),
            "x.json: training.steps: expected an integer, 1 to 1000000; found the text \"many\"");
  EXPECT_EQ(error_of_text(R"({"balance": 1})"),
            "x.json: balance: expected true or false; found the number 1");
  EXPECT_EQ(error_of_text(R"({"channels": 3})"),
            "x.json: channels: expected a list of integers; found the number 3");
  EXPECT_EQ(error_of_text(R"({"training": 3})"),
            "x.json: training: expected an object; found the number 3");
  EXPECT_EQ(error_of_text(R"({"name": null})"), "x.json: name: expected a text; found null");
  EXPECT_EQ(error_of_text(R"({"channels": [1, 2.5]})"),
            "x.json: channels[1]: expected an integer, 1 to 4096; found the number 2.5");
  EXPECT_EQ(error_of_text(R"({"sample_size": "large"})"),
            "x.json: sample_size: expected a number; found the text \"large\"");
  EXPECT_THAT(error_of_text("[1]"), HasSubstr("expected an object in braces"));
}

TEST(ConfigApply, NumbersThatAreNotFiniteAreCalledWhatTheyAre) {
  Sample sample;
  const Json json = {{"training", {{"learning_rate", std::nan("")}}}};
  EXPECT_THAT(error_of([&] { apply(json, visit_of(sample), "t"); }),
              HasSubstr("learning_rate: nan is out of range; expected a number, 0"));
}

TEST(ConfigApply, OutOfRangeShowsTheRange) {
  EXPECT_EQ(error_of_text(R"({"training": {"steps": 0}})"),
            "x.json: training.steps: 0 is out of range; expected an integer, 1 to 1000000");
  EXPECT_THAT(error_of_text(R"({"training": {"learning_rate": -1}})"),
              HasSubstr("training.learning_rate: -1 is out of range; expected a number, 0"));
  EXPECT_EQ(error_of_text(R"({"width": 0})"),
            "x.json: width: 0 is out of range; expected an integer, at least 1");
  EXPECT_THAT(error_of_text(R"({"width": 18446744073709551615})"), HasSubstr("out of range"));
  EXPECT_THAT(error_of_text(R"({"heads": []})"), HasSubstr("the list is empty"));
}

TEST(ConfigApply, UnknownChoiceListsTheKnownOnes) {
  EXPECT_EQ(error_of_text(R"({"optimizer": "adamv"})"),
            "x.json: optimizer: 'adamv' is not known; expected one of adam|adamw; did you mean "
            "'adam'?");
}

TEST(ConfigApply, AnotherValueOfAFixedKeyIsRefused) {
  EXPECT_EQ(error_of_text(R"({"act_fn": "relu"})"),
            "x.json: act_fn: only \"silu\" is supported (activation); found \"relu\"");
}

TEST(ConfigJson, ErrorsNameLineAndColumn) {
  EXPECT_THAT(error_of_text("{\n  \"a\": 1,\n  oops\n}"), HasSubstr("x.json:3:3: not valid JSON"));
  EXPECT_THAT(error_of_text(""), HasSubstr("x.json:1:1: not valid JSON"));
  EXPECT_THAT(error_of_text("{\"training\": {\"learning_rate\": 1e999}}"),
              HasSubstr("not valid JSON"));
}

TEST(ConfigJson, DuplicateKeysAreRefused) {
  EXPECT_EQ(error_of_text("{\"name\": \"a\",\n \"name\": \"b\"}"),
            "x.json:2:2: key 'name' is given twice; keep one of them");
  Sample sample;  // the same key in two objects is no duplicate
  apply(parse_json(R"({"training": {"steps": 2}, "_x": {"steps": 2}})", "t"), visit_of(sample),
        "t");
  EXPECT_EQ(sample.training.steps, 2);
}

TEST(ConfigJson, DeepNestingIsRefused) {
  EXPECT_THAT(error_of_text(std::string(100000, '[')), HasSubstr("nested deeper than 64 levels"));
}

TEST(ConfigJson, ReadsAFileAndNamesAMissingOne) {
  const auto path = std::filesystem::temp_directory_path() / "echopath_config_test.json";
  std::ofstream(path) << "{\"a\": 1} // end";
  EXPECT_EQ(read_json(path.string()).dump(), R"({"a":1})");
  std::filesystem::remove(path);
  EXPECT_THAT(error_of([&] { read_json(path.string()); }), HasSubstr(path.string()));
}

TEST(ConfigOverrides, TakeJsonAndBareWords) {
  Sample sample;
  apply_overrides({"training.learning_rate=1e-3", "optimizer=adamw", "name=42",
                   "classes=[\"A\",\"B\"]", "balance=true", "width=9"},
                  visit_of(sample));
  EXPECT_EQ(sample.training.learning_rate, 1e-3);
  EXPECT_EQ(sample.optimizer, "adamw");
  EXPECT_EQ(sample.name, "42");
  EXPECT_THAT(sample.classes, ElementsAre("A", "B"));
  EXPECT_TRUE(sample.balance);
  EXPECT_EQ(sample.width, 9);
}

TEST(ConfigOverrides, KeepTheValuesOfOtherKeys) {
  Sample sample;
  sample.training.steps = 7;
  apply_overrides({"training.learning_rate=0.5", "name=a=b"}, visit_of(sample));
  EXPECT_EQ(sample.training.steps, 7);
  EXPECT_EQ(sample.name, "a=b");
}

TEST(ConfigOverrides, ErrorsNameTheOption) {
  EXPECT_EQ(error_of_override("training.learning_rat=1"),
            "--set: training.learning_rat: unknown key; did you mean 'training.learning_rate'?");
  EXPECT_THAT(error_of_override("training"), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of_override("=3"), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of_override("training..steps=3"), HasSubstr("empty part"));
  EXPECT_THAT(error_of_override("name=\xff\xfe"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(error_of_override("training.steps.deep=3"), HasSubstr("found the object"));
}

TEST(ConfigOverrides, AnErrorStaysOneLineWhateverTheTextHolds) {
  Sample sample;
  for (const char* text : {"training\n.x", "training.\nsteps=1", "optimizer=a\nb"}) {
    try {
      apply_overrides({text}, visit_of(sample));
      ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
}

TEST(ConfigDump, RoundTrips) {
  Sample sample;
  sample.width = 12;
  sample.heads = {1, 2};
  sample.training.learning_rate = 3e-4;
  const Json json = dump(visit_of(sample));
  EXPECT_EQ(json.dump(),
            R"({"balance":false,"name":"x","optimizer":"adam","channels":[32,64],)"
            R"("weights":[0.5],"classes":["ASD"],"width":12,"heads":[1,2],"act_fn":"silu",)"
            R"("_class_name":"Sample","sample_size":16,)"
            R"("training":{"steps":100,"learning_rate":0.0003}})");
  Sample other;
  apply(json, visit_of(other), "dump");
  EXPECT_EQ(dump(visit_of(other)), json);
}

TEST(ConfigDescribe, ListsEveryOptionOnce) {
  Sample sample;
  const auto rows = describe(visit_of(sample));
  ASSERT_EQ(rows.size(), 13U);
  EXPECT_EQ(rows[11].key, "training.steps");
  EXPECT_EQ(rows[11].type, "integer");
  EXPECT_EQ(rows[11].default_value, "100");
  EXPECT_EQ(rows[11].range, "1 to 1000000");
  EXPECT_EQ(rows[11].help, "optimisation steps");
  EXPECT_EQ(rows[2].type, "one of adam|adamw");
  EXPECT_THAT(describe_as_text(visit_of(sample)),
              HasSubstr("training.steps = 100\n    integer, 1 to 1000000: optimisation steps\n"));
  EXPECT_THAT(describe_as_markdown(visit_of(sample)),
              HasSubstr("| `optimizer` | one of adam\\|adamw | `\"adam\"` |  | the optimizer |\n"));
}

}  // namespace
}  // namespace echopath::config
