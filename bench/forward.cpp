// Times forward passes of one network, on request, so that another program can time its own in
// turn.
//
//     bench_forward MODEL vae-encode|vae-decode|lidm|lvdm INPUTS float32|bf16 THREADS
//
// INPUTS is a safetensors file as `echopath forward` takes it. After one pass to warm up it prints
// "ready" with the seconds of loading and the peak memory in megabytes before that pass, then
// answers each line of standard input with the seconds of one pass. Before the end it prints the
// peak memory of the process. bench/forward.py runs it beside diffusers.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

#include "echopath/core/allocator.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/model_directory.hpp"
#include "measure.hpp"

namespace {

using echopath::io::TensorMap;
using echopath::models::ModelDirectory;

/// Loads a network and answers what runs it once.
std::function<void()> make_pass(const ModelDirectory& model, const std::string& network,
                                TensorMap inputs, at::ScalarType dtype) {
  for (auto& [name, tensor] : inputs) {
    if (tensor.is_floating_point()) tensor = tensor.to(dtype);
  }
  const auto input = [inputs](const char* name) { return inputs.at(name); };
  if (network == "vae-encode" || network == "vae-decode") {
    auto vae = model.load_vae(at::kCPU);
    vae->to(dtype);
    if (network == "vae-encode") {
      return [vae, x = input("sample")]() mutable { vae->encode(x); };
    }
    return [vae, z = input("z")]() mutable { vae->decode(z); };
  }
  if (network == "lidm") {
    std::shared_ptr<echopath::models::LatentImageModel> lidm = model.load_lidm(at::kCPU);
    lidm->module().to(dtype);
    const at::Tensor context = lidm->conditional() ? input("encoder_hidden_states") : at::Tensor();
    return [lidm, x = input("sample"), t = input("timestep"), context] {
      lidm->predict(x, t, context);
    };
  }
  if (network == "lvdm") {
    auto lvdm = model.load_lvdm(at::kCPU);
    lvdm->to(dtype);
    return [lvdm, x = input("sample"), t = input("timestep"), c = input("encoder_hidden_states"),
            ids = input("added_time_ids")]() mutable { lvdm->forward(x, t, c, ids); };
  }
  std::fprintf(stderr, "unknown network %s\n", network.c_str());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace echopath::bench;
  if (argc != 6) {
    std::fprintf(stderr, "usage: bench_forward MODEL NETWORK INPUTS float32|bf16 THREADS\n");
    return 2;
  }
  at::set_num_threads(std::atoi(argv[5]));
  echopath::keep_freed_memory();  // as the program does
  const torch::NoGradGuard no_grad;
  const auto dtype = std::string(argv[4]) == "bf16" ? at::kBFloat16 : at::kFloat;
  std::function<void()> pass;
  const double loading = seconds_of([&] {
    pass = make_pass(ModelDirectory::open(argv[1]), argv[2],
                     echopath::io::load_safetensors(argv[3]), dtype);
  });
  const double peak = peak_megabytes();
  pass();
  std::cout << "ready " << loading << ' ' << peak << std::endl;
  take_turns([&] { return seconds_of(pass); });
  return 0;
}
