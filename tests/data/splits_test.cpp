#include "echopath/data/splits.hpp"

#include <map>
#include <set>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::data {
namespace {

using Names = std::vector<std::string>;

/// 40 patients of two classes (30 and 10), three clips each.
struct Population {
  Names patients, classes;
  Population() {
    for (int clip = 0; clip < 3; ++clip) {
      for (int patient = 0; patient < 40; ++patient) {
        patients.push_back("P" + std::to_string(patient));
        classes.push_back(patient % 4 == 0 ? "ASD" : "Non-ASD");
      }
    }
  }
};

TEST(SplitFractions, AreParsed) {
  const SplitFractions fractions = parse_split_fractions(" 80, 12.5,7.5");
  EXPECT_EQ(fractions.train, 80.0);
  EXPECT_EQ(fractions.val, 12.5);
  EXPECT_EQ(fractions.test, 7.5);
}

TEST(SplitFractions, MustBeThreeThatSumTo100) {
  for (const char* text :
       {"", "70,30", "70,15,16", "70,15,15,0", "110,-5,-5", "a,b,c", "70,15,15x"}) {
    expect_error<UsageError>([&] { parse_split_fractions(text); }, "sum to 100");
  }
}

TEST(SplitByPatient, NoPatientIsInTwoSplits) {
  const Population population;
  const Names splits = split_by_patient(population.patients, population.classes, {}, 5);
  std::map<std::string, std::set<std::string>> splits_of;
  for (std::size_t i = 0; i < splits.size(); ++i)
    splits_of[population.patients[i]].insert(splits[i]);
  for (const auto& [patient, all] : splits_of) EXPECT_EQ(all.size(), 1U) << patient;
}

TEST(SplitByPatient, EachClassIsSplitInProportion) {
  const Population population;
  const Names splits = split_by_patient(population.patients, population.classes, {60, 20, 20}, 5);
  std::map<std::string, int> clips;
  for (std::size_t i = 0; i < splits.size(); ++i) ++clips[population.classes[i] + " " + splits[i]];
  EXPECT_EQ(clips, (std::map<std::string, int>{{"ASD TRAIN", 18},
                                               {"ASD VAL", 6},
                                               {"ASD TEST", 6},
                                               {"Non-ASD TRAIN", 54},
                                               {"Non-ASD VAL", 18},
                                               {"Non-ASD TEST", 18}}));
}

TEST(SplitByPatient, TheSeedDecides) {
  const Population population;
  const Names first = split_by_patient(population.patients, population.classes, {}, 1);
  EXPECT_EQ(first, split_by_patient(population.patients, population.classes, {}, 1));
  EXPECT_NE(first, split_by_patient(population.patients, population.classes, {}, 2));
}

TEST(SplitByPatient, EverythingMayGoToOneSplit) {
  const Names splits = split_by_patient({"a", "b", "a"}, {"x", "x", "y"}, {0, 0, 100}, 3);
  EXPECT_EQ(splits, (Names{"TEST", "TEST", "TEST"}));
}

TEST(SplitByPatient, APatientOfTwoClassesFollowsItsFirstClip) {
  const Names splits = split_by_patient({"a", "b", "b", "a"}, {"x", "y", "x", "y"}, {50, 0, 50}, 3);
  EXPECT_EQ(splits[0], splits[3]);
  EXPECT_EQ(splits[1], splits[2]);
}

}  // namespace
}  // namespace echopath::data
