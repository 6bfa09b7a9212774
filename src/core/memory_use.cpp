#include "echopath/core/memory_use.hpp"

#include <unistd.h>

#include <fstream>

namespace echopath {

double resident_bytes() {
  std::ifstream pages("/proc/self/statm");
  double size = 0.0, resident = 0.0;
  if (!(pages >> size >> resident)) return 0.0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace echopath
