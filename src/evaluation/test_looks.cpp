#include "echopath/evaluation/test_looks.hpp"

#include <algorithm>
#include <ctime>
#include <sstream>

#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::evaluation {
namespace {

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

TestLooks::TestLooks(std::filesystem::path file) : file_(std::move(file)) {
  if (!fs::exists(file_)) return;
  std::istringstream text(read_file(file_));
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    try {
      const config::Json json = config::Json::parse(line);
      TestLook look;
      json.at("time").get_to(look.time);
      json.at("split").get_to(look.split);
      json.at("arm").get_to(look.arm);
      json.at("sources").get_to(look.sources);
      json.at("videos").get_to(look.videos);
      looks_.push_back(std::move(look));
    } catch (const config::Json::exception&) {
      throw DataError(file_.string() + ":" + std::to_string(number) +
                      ": not a look at a test split; repair or remove the file");
    }
  }
}

std::int64_t TestLooks::looks_at(const std::string& split, const std::string& arm,
                                 const std::vector<std::string>& sources) const {
  return std::count_if(looks_.begin(), looks_.end(), [&](const TestLook& look) {
    if (look.split != split) return false;
    return look.arm == arm || std::any_of(sources.begin(), sources.end(), [&](const auto& source) {
             return std::find(look.sources.begin(), look.sources.end(), source) !=
                    look.sources.end();
           });
  });
}

void TestLooks::add(std::vector<TestLook> several) {
  try {
    LineAppender lines(file_);
    for (TestLook& look : several) {
      look.time = time_now();
      const config::Json json = {{"time", look.time},
                                 {"split", look.split},
                                 {"arm", look.arm},
                                 {"sources", look.sources},
                                 {"videos", look.videos}};
      lines.append(json.dump());
      looks_.push_back(std::move(look));
    }
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) +
                    "; the looks at a test split are recorded beside it: make the dataset "
                    "writable, or name another file with --looks");
  }
}

}  // namespace echopath::evaluation
