#include "core/progress_line.hpp"

#include <algorithm>

namespace echopath {
namespace {

constexpr std::size_t kWidestBar = 20;
constexpr std::size_t kNarrowestBar = 5;

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string cut(const std::string& text, std::size_t columns) {
  std::size_t seen = 0, bytes = 0;
  for (; bytes < text.size(); ++bytes) {
    if (starts_character(text[bytes]) && ++seen > columns) break;
  }
  return text.substr(0, bytes);
}

/// "[=====>    ] " with so many cells; empty for none.
std::string bar(const ProgressParts& parts, std::size_t cells) {
  if (cells == 0 || parts.total <= 0) return {};
  const double share = static_cast<double>(parts.done) / static_cast<double>(parts.total);
  const auto filled =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(cells));
  std::string text(filled, '=');
  if (filled < cells) text += '>';
  text.resize(cells, ' ');
  return "[" + text + "] ";
}

/// How a line is set.
struct Layout {
  std::size_t bar_cells = 0;
  bool label = true;
  bool percentage = true;
};

std::string set(const ProgressParts& parts, const Layout& layout) {
  std::string line = layout.label ? parts.label + " " : "";
  line += bar(parts, layout.bar_cells) + std::to_string(parts.done);
  if (parts.total > 0) {
    line += "/" + std::to_string(parts.total);
    if (layout.percentage) line += " (" + std::to_string(parts.done * 100 / parts.total) + " %)";
  }
  line += parts.time;
  return parts.note.empty() ? line : line + ", " + parts.note;
}

std::string without_commas(std::string text) {
  for (std::size_t at = text.find(", "); at != std::string::npos; at = text.find(", ", at)) {
    text.erase(at, 1);
  }
  return text;
}

}  // namespace

std::string plain_progress_line(const ProgressParts& parts) {
  return set(parts, {});
}

std::string fitted_progress_line(const ProgressParts& parts, std::size_t columns) {
  constexpr std::size_t kFrame = 3;  // the bar's brackets and the space behind
  const std::size_t without_bar = columns_of(set(parts, {}));
  if (without_bar + kFrame + kNarrowestBar <= columns) {
    return set(parts, {std::min(kWidestBar, columns - without_bar - kFrame)});
  }
  std::string line;
  for (const Layout& layout : {Layout{}, Layout{0, true, false}, Layout{0, false, false}}) {
    line = set(parts, layout);
    if (columns_of(line) <= columns) return line;
  }
  return cut(without_commas(line), columns);
}

}  // namespace echopath
