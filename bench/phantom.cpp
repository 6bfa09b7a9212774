// Measures the phantom: frames per second on one core, and its statistics beside the real ones.
//
//     bench_phantom [PATIENTS] [FIRST_SEED]

#include "echopath/phantom/phantom.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "echopath/phantom/statistics.hpp"

namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace echopath::phantom;
  const int patients = argc > 1 ? std::atoi(argv[1]) : 100;
  const int first_seed = argc > 2 ? std::atoi(argv[2]) : 1000;
  constexpr int kFrames = 16;
  constexpr double kFps = 1.0 / 0.120;

  std::vector<echopath::io::Frames> clips;
  double build = 0.0, render = 0.0;
  for (int p = 0; p < patients; ++p) {
    const auto& name = class_names()[static_cast<std::size_t>(p) % class_names().size()];
    const double start = processor_seconds();
    Simulator simulator(sample_patient(name, static_cast<std::uint64_t>(first_seed + p)));
    const double built = processor_seconds();
    echopath::io::Frames clip;
    clip.count = kFrames;
    clip.height = clip.width = kImageSize;
    clip.fps = kFps;
    clip.pixels.resize(static_cast<std::size_t>(kFrames * kImageSize * kImageSize));
    for (int t = 0; t < kFrames; ++t) simulator.render(t / kFps, clip.frame(t));
    build += built - start;
    render += processor_seconds() - built;
    clips.push_back(std::move(clip));
  }
  const double frame_ms = 1e3 * render / (patients * kFrames);
  const double patient_ms = 1e3 * build / patients;
  std::printf("render  %.2f ms per frame, %.0f frames/s on one core\n", frame_ms, 1e3 / frame_ms);
  std::printf("patient %.1f ms to build; with it, %.0f frames/s for clips of 96 frames\n\n",
              patient_ms, 96e3 / (96 * frame_ms + patient_ms));

  std::printf("| figure | real | phantom | difference |\n|---|---|---|---|\n");
  for (const auto& row : compare_statistics(real_statistics(), measure_statistics(clips))) {
    std::printf("| %s | %g | %.3g | ", row.name.c_str(), row.real, row.phantom);
    if (row.real == 0.0) {
      std::printf("%+.2g grey |\n", row.phantom - row.real);
    } else {
      std::printf("%+.0f %% |\n", 100.0 * (row.phantom - row.real) / std::abs(row.real));
    }
  }
  return 0;
}
