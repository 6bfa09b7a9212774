#pragma once

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

/// What the programs have in common that are timed in turn with another (bench/sides.py).
namespace echopath::bench {

inline double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Largest resident memory of this program so far. (getrusage() would answer that of the process
/// that started it, where that was larger.)
inline double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024.0 / 1e6;
  }
  return 0.0;
}

/// Answers each line of standard input with the seconds that `measure` gives, and its end with the
/// peak memory.
inline void take_turns(const std::function<double()>& measure) {
  for (std::string line; std::getline(std::cin, line);) std::cout << measure() << std::endl;
  std::cout << "peak " << peak_megabytes() << std::endl;
}

}  // namespace echopath::bench
