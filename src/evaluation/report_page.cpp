#include "evaluation/report_page.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <opencv2/core.hpp>
#include <system_error>

#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/png.hpp"
#include "echopath/io/video.hpp"

namespace echopath::evaluation {

// Made of files by echopath_embed (cmake/Embed.cmake).
extern const char* const kReportStyle;
extern const char* const kReportScript;
extern const char* const kChartScript;

namespace {

constexpr const char* kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// JSON inside a script element must not hold "<": a name could end the script.
std::string escape_for_script(const std::string& json) {
  std::string text;
  for (const char c : json) text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return text;
}

std::string escape_for_html(const std::string& words) {
  std::string text;
  for (const char c : words) {
    text += c == '<' ? std::string("&lt;") : c == '&' ? std::string("&amp;") : std::string(1, c);
  }
  return text;
}

/// {label, place} of a mark; places are in bins, from the middle of the first one.
config::Json mark_json(const io::CsvTable& table, const ChartMark& mark) {
  const auto bins = static_cast<double>(table.rows.size());
  const double low = std::strtod(table.rows.front()[0].c_str(), nullptr);
  const double high = std::strtod(table.rows.back()[1].c_str(), nullptr);
  const double part = high > low ? std::clamp((mark.value - low) / (high - low), 0.0, 1.0) : 0.5;
  char value[32];
  std::snprintf(value, sizeof(value), " %.6g", mark.value);
  return {{"label", mark.name + value}, {"place", part * bins - 0.5}};
}

/// A file that goes away with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& suffix) {
    std::string name = (temporary_folder() / "echopath-report-XXXXXX").string() + suffix;
    const int descriptor = mkstemps(name.data(), static_cast<int>(suffix.size()));
    if (descriptor < 0) {
      throw DataError("no temporary file '" + name +
                      "' can be made: " + std::generic_category().message(errno));
    }
    ::close(descriptor);
    path_ = name;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

Chapter make_chapter(const std::string& title) {
  return {{"title", title},
          {"notes", config::Json::array()},
          {"warnings", config::Json::array()},
          {"sections", config::Json::array()}};
}

void add_note(Chapter& chapter, const std::string& text) {
  chapter["notes"].push_back(text);
}

void add_warning(Chapter& chapter, const std::string& text) {
  chapter["warnings"].push_back(text);
}

void add_section(Chapter& chapter, config::Json section) {
  chapter["sections"].push_back(std::move(section));
}

void add_table(Chapter& chapter, const std::string& title, const std::vector<std::string>& columns,
               const config::Json& rows) {
  add_section(chapter, {{"type", "table"}, {"title", title}, {"columns", columns}, {"rows", rows}});
}

void add_folded_table(Chapter& chapter, const std::string& title,
                      const std::vector<std::string>& columns, const config::Json& rows) {
  add_table(chapter, title, columns, rows);
  chapter["sections"].back()["folded"] = true;
}

void add_facts(Chapter& chapter, const std::string& title, const config::Json& facts) {
  config::Json rows = config::Json::array();
  for (const auto& [key, value] : facts.items()) {
    const bool plain = value.is_number() || value.is_string() || value.is_null();
    rows.push_back({key, plain ? value : config::Json(value.dump())});
  }
  add_table(chapter, title, {"", ""}, rows);
}

void add_csv(Chapter& chapter, const std::string& title, const io::CsvTable& table) {
  add_table(chapter, title, table.columns, table.rows);
}

void add_histogram(Chapter& chapter, const std::string& title, const io::CsvTable& table,
                   const ChartMark& mark) {
  config::Json labels = config::Json::array(), series = config::Json::array();
  for (const auto& row : table.rows) labels.push_back(row[0]);
  for (std::size_t column = 2; column < table.columns.size(); ++column) {
    double total = 0.0;
    std::vector<double> counts;
    for (const auto& row : table.rows) {
      counts.push_back(std::strtod(row[column].c_str(), nullptr));
      total += counts.back();
    }
    for (double& count : counts) count /= std::max(total, 1.0);
    series.push_back({{"name", table.columns[column] + " (" +
                                   std::to_string(static_cast<std::int64_t>(total)) + ")"},
                      {"values", counts}});
  }
  config::Json section = {{"type", "bars"}, {"title", title},   {"x", "similarity"},
                          {"y", "share"},   {"labels", labels}, {"series", series}};
  if (!table.rows.empty()) section["mark"] = mark_json(table, mark);
  add_section(chapter, std::move(section));
}

void add_lines(Chapter& chapter, const std::string& title, const std::string& x,
               const config::Json& series, bool logarithmic) {
  add_section(chapter, {{"type", "lines"},
                        {"title", title},
                        {"x", x},
                        {"logarithmic", logarithmic},
                        {"series", series}});
}

void add_details(Chapter& chapter, const std::string& title, const std::string& text) {
  add_section(chapter, {{"type", "details"}, {"summary", title}, {"text", text}});
}

std::string data_address(const std::string& type, const std::string& bytes) {
  std::string text = "data:" + type + ";base64,";
  text.reserve(text.size() + bytes.size() * 4 / 3 + 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size()
                 ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + k]))
                 : 0U;
    };
    const std::uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (int k = 0; k < 4; ++k) {
      const bool padding = i + static_cast<std::size_t>(k) > bytes.size();
      text += padding ? '=' : kLetters[(word >> (18 - 6 * k)) & 63U];
    }
  }
  return text;
}

std::string picture_address(const io::Frames& frames, std::int64_t frame) {
  // OpenCV wants a mutable pointer, and only reads.
  auto* bytes = const_cast<std::uint8_t*>(frames.frame(frame));
  const cv::Mat picture(static_cast<int>(frames.height), static_cast<int>(frames.width), CV_8UC1,
                        bytes);
  return data_address("image/png", io::png_of(picture));
}

std::string video_address(const std::filesystem::path& path) {
  if (path.extension() == ".mp4") return data_address("video/mp4", read_file(path));
  const TemporaryFile file(".mp4");
  io::write_video(file.path(), io::read_video(path, 1));
  return data_address("video/mp4", read_file(file.path()));
}

std::string page_html(const std::string& title, const std::string& subtitle,
                      const std::vector<Chapter>& chapters) {
  const config::Json data = {{"title", title},
                             {"subtitle", subtitle},
                             {"chapters", chapters},
                             {"footer", "Written by echopath " + version() +
                                            ". For research, not for diagnosis. Charts by Chart.js "
                                            "(MIT licence), which is inside this page."}};
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += "<link rel=\"icon\" href=\"data:,\">\n";
  html += "<title>" + escape_for_html(title) + "</title>\n<style>\n" + kReportStyle + "</style>\n";
  html += "</head>\n<body>\n<main></main>\n<script type=\"application/json\" id=\"page-data\">";
  html += escape_for_script(data.dump(-1, ' ', false, config::Json::error_handler_t::replace));
  html += "</script>\n<script>\n" + std::string(kChartScript) + "\n</script>\n<script>\n";
  html += kReportScript;
  html += "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace echopath::evaluation
