#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace echopath {

/// The candidate with the smallest edit distance to `name`, upper and lower case taken as one, or
/// an empty string when none is near (distance over half the name's length and over 2).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// The parts between separators; always at least one, which may be empty.
std::vector<std::string> split(std::string_view text, char separator);
/// Without the white space at both ends.
std::string trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// ASCII letters only, whatever the locale.
std::string to_lower(std::string_view text);

/// Foreign text as it may stand in a one-line message: control characters as "?".
std::string one_line(std::string text);
/// The same in single quotes, cut after 80 bytes.
std::string quoted_text(std::string_view text);

/// Powers of 1000 and two or three digits: "5.2 GB", "312 kB".
std::string human_bytes(double bytes);
/// The two largest units: "2 h 13 min", "41 s", "0.3 s"; "unknown" where negative or not finite.
std::string human_duration(double seconds);

}  // namespace echopath
