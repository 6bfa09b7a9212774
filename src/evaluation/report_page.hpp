#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// A chapter of the page: {title, notes, warnings, sections}, as page.js shows it.
using Chapter = config::Json;

Chapter make_chapter(const std::string& title);
void add_note(Chapter& chapter, const std::string& text);
void add_warning(Chapter& chapter, const std::string& text);
/// `rows` are arrays with as many cells as there are columns.
void add_table(Chapter& chapter, const std::string& title, const std::vector<std::string>& columns,
               const config::Json& rows);
/// The same, shown on demand.
void add_folded_table(Chapter& chapter, const std::string& title,
                      const std::vector<std::string>& columns, const config::Json& rows);
/// Two columns without a head: the keys of an object and their values.
void add_facts(Chapter& chapter, const std::string& title, const config::Json& facts);
/// A CSV file as a table. Its cells stay the text that they are: "0.80" is not "0.8".
void add_csv(Chapter& chapter, const std::string& title, const io::CsvTable& table);
/// A value that a chart marks on its horizontal axis.
struct ChartMark {
  std::string name;
  double value = 0.0;
};
/// The counts of a histogram file of similarities (BinLow, BinHigh, series) as shares of each
/// series, and a line at the mark, or at the end of the bins that is nearer to it.
void add_histogram(Chapter& chapter, const std::string& title, const io::CsvTable& table,
                   const ChartMark& mark);
/// `series`: [{name, points: [[x, y], …]}].
void add_lines(Chapter& chapter, const std::string& title, const std::string& x,
               const config::Json& series, bool logarithmic = false);
void add_section(Chapter& chapter, config::Json section);
/// A JSON document, folded away.
void add_details(Chapter& chapter, const std::string& title, const std::string& text);

/// "data:…;base64,…" of bytes.
std::string data_address(const std::string& type, const std::string& bytes);
/// A grey frame as a PNG address.
std::string picture_address(const io::Frames& frames, std::int64_t frame);
/// A video file as an address that browsers play: MP4 as it is, else encoded anew with H.264.
std::string video_address(const std::filesystem::path& path);

/// The whole page of chapters.
std::string page_html(const std::string& title, const std::string& subtitle,
                      const std::vector<Chapter>& chapters);

}  // namespace echopath::evaluation
