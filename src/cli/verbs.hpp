#pragma once

#include "cli/program.hpp"

namespace echopath::cli {

/// One function per verb, each in the file of its name.
void add_phantom(Program& program);
void add_import(Program& program);
void add_train(Program& program);
void add_encode(Program& program);
void add_decode(Program& program);
void add_sample(Program& program);
void add_filter(Program& program);
void add_eval(Program& program);
void add_report(Program& program);
void add_convert(Program& program);
void add_forward(Program& program);
void add_config(Program& program);
void add_doctor(Program& program);

}  // namespace echopath::cli
