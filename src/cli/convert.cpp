#include "cli/verbs.hpp"

namespace echopath::cli {

void add_convert(Program& program) {
  program.add_unavailable("convert",
                          "Converts weights: diffusers, accelerate, torchvision to and from ours",
                          "echopath convert checkpoint-87000 models/echopath",
                          "conversion; model directories are in diffusers' layout already, so "
                          "safetensors that diffusers "
                          "saved can be copied into one");
}

}  // namespace echopath::cli
