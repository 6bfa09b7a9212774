#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::config {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

/// Reads a text and tells how far the parser has come, which the parser itself does not.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, std::size_t* count) : at_(at), count_(count) {}
  const char& operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_;
  std::size_t* count_;
};

/// "file:line:column", both counted from 1, of the byte at `offset`.
std::string place(const std::string& text, const std::string& source, std::size_t offset) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  const auto line = std::count(text.begin(), end, '\n') + 1;
  const auto before = std::find(std::make_reverse_iterator(end), text.rend(), '\n');
  const auto column = std::distance(before.base(), end) + 1;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

/// The library's message without its own numbering and position.
std::string reason(const std::string& what) {
  const std::size_t column = what.find("column ");
  const std::size_t colon = what.find(": ", column == std::string::npos ? 0 : column);
  const std::size_t bracket = what.find("] ");
  if (column != std::string::npos && colon != std::string::npos) return what.substr(colon + 2);
  return bracket == std::string::npos ? what : what.substr(bracket + 2);
}

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
  std::size_t consumed = 0;
  std::vector<std::set<std::string>> open_objects;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) {
      throw ConfigError(place(text, source, consumed) + ": nested deeper than " +
                        std::to_string(kMaxDepth) + " levels");
    }
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) {
        const std::size_t key_length = key.size() + 2;
        throw ConfigError(place(text, source, consumed > key_length ? consumed - key_length : 0) +
                          ": key '" + key + "' is given twice; keep one of them");
      }
    }
    return true;
  };
  try {
    return Json::parse(CountingIterator(text.data(), &consumed),
                       CountingIterator(text.data() + text.size(), &consumed), check,
                       /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& error) {
    const std::size_t offset = error.byte > 0 ? error.byte - 1 : 0;
    throw ConfigError(place(text, source, offset) + ": not valid JSON: " + reason(error.what()));
  } catch (const Json::exception& error) {
    throw ConfigError(place(text, source, consumed) + ": not valid JSON: " + reason(error.what()));
  }
}

Json read_json(const std::string& path) {
  std::string text;
  try {
    require_file(path, "config file");
    text = read_file(path, kMaxConfigBytes);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  }
  return parse_json(text, path);
}

}  // namespace echopath::config
