#include "cli/verbs.hpp"

namespace echopath::cli {

void add_forward(Program& program) {
  program.add_unavailable("forward", "Runs one network on given tensors",
                          "echopath forward --model models/phantom --network lvdm --inputs "
                          "in.safetensors --out out.safetensors",
                          "running single networks");
}

}  // namespace echopath::cli
