// Times training steps of one network, on request, so that another program can time its own in
// turn.
//
//     bench_train_step lidm|lvdm CONFIG MODEL THREADS KEY=VALUE...
//
// CONFIG is a training config, the KEY=VALUE what `echopath train --set` takes, MODEL a model
// directory with the weights to start from. The steps are those of `echopath train`: its recipe and
// its Trainer, without a run directory. After two steps to warm up it prints "ready", then answers
// each line of standard input with the seconds of one step, and the end with the peak memory of the
// process. bench/train_step.py runs it beside PyTorch.

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "echopath/core/allocator.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/training/trainer.hpp"
#include "measure.hpp"
#include "training/jobs.hpp"

namespace {

using namespace echopath;

int run(int argc, char** argv) {
  const std::unique_ptr<training::Job> job = training::make_job(argv[1]);
  config::apply(config::read_json(argv[2]), job->visit(), argv[2]);
  config::apply_overrides(std::vector<std::string>(argv + 5, argv + argc), job->visit());
  job->validate();
  const std::unique_ptr<training::Recipe> recipe = job->make_recipe(at::kCPU);
  job->initialise_from(argv[3], *recipe);
  training::TrainerOptions options;
  options.loop = job->loop();
  training::Trainer trainer(*recipe, options);
  const auto step = [&] { return trainer.time_steps(1).seconds; };
  step();
  std::cout << "ready" << std::endl;
  bench::take_turns(step);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: bench_train_step lidm|lvdm CONFIG MODEL THREADS KEY=VALUE...\n");
    return 2;
  }
  at::set_num_threads(std::atoi(argv[4]));
  keep_freed_memory();  // as the program does
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
}
