#pragma once

#include <exception>
#include <string>
#include <vector>

namespace echopath::distributed {

/// "<exit code> <message>" of an exception; empty for none.
std::string describe(const std::exception_ptr& fault);

/// Throws where any of these, one of each process by rank, describes a fault: on rank 0 its own
/// (`own`), or else that of the lowest rank with the rank before it; ToldByRoot on the others.
void throw_described(const std::vector<std::string>& descriptions, const std::exception_ptr& own,
                     bool is_root);

/// What matters of an exception's text: c10d appends its whole call stack, Gloo puts its source
/// file before it and advice for its developers behind.
std::string first_line(const std::string& text);

}  // namespace echopath::distributed
