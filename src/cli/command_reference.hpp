#pragma once

#include <string>

namespace echopath::cli {

class Program;

/// docs/cli.md: the help of every verb and the options of every config.
std::string command_reference(const Program& program);

}  // namespace echopath::cli
