#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace echopath {

/// The candidate with the smallest edit distance to `name`, or an empty string when none is near
/// (distance over half the name's length, at least 2).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

std::vector<std::string> split(std::string_view text, char separator);
std::string trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_lower(std::string_view text);

/// "5.2 GB", "312 kB".
std::string human_bytes(double bytes);
/// "2 h 13 min", "41 s".
std::string human_duration(double seconds);

}  // namespace echopath
