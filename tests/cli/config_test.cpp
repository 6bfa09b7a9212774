#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;
using testing::write_text;

std::vector<std::string> shipped() {
  return json::parse(run({"config", "list", "--json"}).out).get<std::vector<std::string>>();
}

TEST(ConfigVerb, ListsTheShippedConfigs) {
  const std::vector<std::string> names = shipped();
  for (const char* name :
       {"paper/vae.json", "paper/lidm.json", "paper/lvdm.json", "paper/reid.json",
        "paper/sample.json", "paper/classifier_r3d_18_asd.json", "phantom/segmentation.json",
        "reference/vae.json", "reference/lidm.json", "reference/lvdm.json", "reference/reid.json",
        "echonet_synthetic/vae.json", "echonet_synthetic/lidm.json",
        "echonet_synthetic/lvdm.json"}) {
    EXPECT_THAT(names, Contains(name));
  }
}

TEST(ConfigVerb, EveryShippedConfigIsValid) {
  for (const std::string& name : shipped()) {
    const Outcome outcome = run({"config", "check", name});
    EXPECT_EQ(outcome.exit_code, 0) << name << ": " << outcome.err;
  }
}

TEST(ConfigVerb, ShowsKeyTypeDefaultRangeAndHelp) {
  const Outcome outcome = run({"config", "show", "lidm"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("training.learning_rate = 0.0003\n    real, 0.0 to 10.0: peak "
                                     "learning rate\n"));
  const json rows = json::parse(run({"config", "show", "lvdm", "--json"}).out);
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [](const json& r) { return r["key"] == "training.steps"; });
  ASSERT_NE(row, rows.end());
  EXPECT_EQ((*row)["default"], 100000);
  EXPECT_EQ((*row)["type"], "integer");
}

TEST(ConfigVerb, UnknownNameSuggestsTheNearest) {
  const Outcome outcome = run({"config", "show", "lidn"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'lidm'?"));
}

TEST(ConfigVerb, CheckNamesFileKeyAndNearestName) {
  const TemporaryFolder folder;
  const std::string path = folder / "my_lidm.json";
  write_text(path, R"({"training": {"learning_rat": 1e-4}})");
  const Outcome outcome = run({"config", "check", path});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err, "echopath: error: " + path +
                             ": training.learning_rat: unknown key; did you mean "
                             "'training.learning_rate'?\n");
}

TEST(ConfigVerb, CheckNamesKeysThatContradictEachOther) {
  const TemporaryFolder folder;
  const std::string path = folder / "my_lvdm.json";
  write_text(path, R"({"class_embedding": {"num_classes": 3}})");
  const Outcome outcome = run({"config", "check", path});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "echopath: error: " + path +
                ": class_embedding.num_classes is 3, but data.classes lists 4; the two "
                "must agree\n");
}

TEST(ConfigVerb, CheckNamesThePlaceOfASyntaxError) {
  const TemporaryFolder folder;
  const std::string path = folder / "lidm.json";
  write_text(path, "{\n  \"training\": {,}\n}");
  const Outcome outcome = run({"config", "check", path});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(path + ":2:16: not valid JSON"));
}

TEST(ConfigVerb, FileWithoutAKindAsksForIt) {
  const TemporaryFolder folder;
  const std::string path = folder / "mine.json";
  write_text(path, "{}");
  EXPECT_THAT(run({"config", "check", path}).err, HasSubstr("give --kind"));
  EXPECT_EQ(run({"config", "check", path, "--kind", "vae"}).exit_code, 0);
}

TEST(ConfigVerb, KindOfAClassifierIsToldByItsName) {
  for (const char* name : {"phantom/classifier_resnet50_pah.json", "phantom/segmentation.json"}) {
    EXPECT_EQ(json::parse(run({"config", "check", name, "--json"}).out)["kind"], "classifier");
  }
}

TEST(ConfigVerb, HomeVariableNamesTheShippedConfigs) {
  const TemporaryFolder folder;
  write_text(folder / "configs/own/lidm.json", "{}");
  EXPECT_EQ(run({"config", "list"}, "ECHOPATH_HOME='" + folder.path().string() + "'").out,
            "configs/own/lidm.json\n");
}

TEST(ConfigVerb, InstalledProgramFindsTheConfigsInShare) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "bin");
  std::filesystem::copy_file(ECHOPATH_BINARY, folder / "bin/echopath");
  write_text(folder / "share/echopath/configs/paper/vae.json", "{}");
  const std::string installed = folder / "bin/echopath";
  EXPECT_EQ(run({}, "exec '" + installed + "' config list;").out, "configs/paper/vae.json\n");
}

TEST(ConfigVerb, MissingConfigSuggestsAShippedOne) {
  const Outcome outcome = run({"config", "check", "configs/paper/lidn.json"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'configs/paper/lidm.json'?"));
}

}  // namespace
}  // namespace echopath::cli
