// Measures the noise of one block of latents, by counter, beside PyTorch's generator on one thread.
//
//     bench_noise [PAIRS]

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "echopath/core/random.hpp"
#include "measure.hpp"

int main(int argc, char** argv) {
  using namespace echopath;
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 201;
  at::set_num_threads(1);
  std::vector<double> ours, peers;
  for (int i = 0; i < pairs; ++i) {
    NoiseKey key;
    key.seed = static_cast<std::uint64_t>(i);
    ours.push_back(bench::seconds_of([&] { normal_tensor({64, 4, 14, 14}, key); }));
    peers.push_back(bench::seconds_of([&] { at::randn({64, 4, 14, 14}); }));
  }
  const auto median = [](std::vector<double>& seconds) {
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<long>(seconds.size() / 2),
                     seconds.end());
    return seconds[seconds.size() / 2];
  };
  const double mine = median(ours), theirs = median(peers);
  std::printf("noise of 64x4x14x14: by counter %.3f ms, at::randn %.3f ms, ratio %.2f\n",
              1e3 * mine, 1e3 * theirs, mine / theirs);
}
