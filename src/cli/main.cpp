#include "cli/verbs.hpp"

int main(int argc, char** argv) {
  using namespace echopath::cli;
  return run_program(
      argc, argv,
      {add_phantom, add_import, add_train, add_encode, add_decode, add_sample, add_filter, add_eval,
       add_report, add_convert, add_forward, add_config, add_doctor});
}
