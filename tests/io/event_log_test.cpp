#include "echopath/io/event_log.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <opencv2/imgcodecs.hpp>

#include "core/temporary_directory.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/video.hpp"
#include "io/event_file.hpp"
#include "io/event_messages.hpp"

namespace echopath::io {
namespace {

constexpr double kWallTime = 1700000000.25;

const std::vector<std::uint32_t> kFirstValue = {5, 1};
const std::vector<std::uint32_t> kImageBytes = {5, 1, 4, 4};

Frames gradient(std::int64_t count, std::int64_t channels) {
  Frames frames{count, 6, 10, channels, 25.0, {}};
  frames.pixels.resize(static_cast<std::size_t>(count * frames.frame_size()));
  std::iota(frames.pixels.begin(), frames.pixels.end(), std::uint8_t{0});
  return frames;
}

TEST(EventMessages, AreTheBytesOfTensorBoardsOwnWriter) {
  const double inf = std::numeric_limits<double>::infinity();
  const auto at = [](std::int64_t step) { return EventTime{kWallTime, step}; };
  std::string every_byte(256, '\0');
  std::iota(every_byte.begin(), every_byte.end(), '\0');
  const std::vector<std::string> ours = {
      version_event(at(0), "tensorboard.summary.writer.event_file_writer"),
      scalar_event(at(1), {{"training/loss", 0.0}}),
      scalar_event(at(10), {{"training/loss", 0.1},
                            {"training/grad_norm", -2.5},
                            {"training/learning_rate", 3e-4},
                            {"odd", inf}}),
      scalar_event(at(5'000'000'000), {{"late", std::nan("")}}),
      image_event(at(10), "samples/grey", {112, 112, 1, every_byte}),
      image_event(at(10), "samples/colour", {3, 5, 3, "\x89PNG" + std::string(300, '\0')}),
      histogram_event(at(20), "loss_by_noise_level",
                      {0.0, 1000.0, 64.0, 12.5, 3.75, {250.0, 500.0, 1000.0}, {0.5, 0.0, 0.125}}),
      histogram_event(at(20), "negative", {-1.5, -0.5, 2.0, -2.0, 2.5, {-0.5}, {2.0}}),
      text_event(at(0), "config", "    {\n      \"größe\": 1\n    }"),
      restart_event(at(401)),
  };
  const fs::path reference =
      fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/event_log/reference.tfevents";
  const std::vector<std::string> theirs = records(reference);
  ASSERT_EQ(ours.size(), theirs.size());
  std::string whole;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i], theirs[i]) << "event " << i;
    whole += tf_record(ours[i]);
  }
  EXPECT_EQ(whole, read_file(reference));
}

TEST(EventMessages, AHistogramNeedsAHeightForEachLimit) {
  EXPECT_THROW(histogram_event({}, "h", {0, 1, 1, 1, 1, {0.5, 1.0}, {1.0}}), std::invalid_argument);
  EXPECT_THROW(histogram_event({}, "h", {}), std::invalid_argument);
}

TEST(EventLog, HoldsStepsTagsAndTheTime) {
  const TemporaryDirectory folder;
  EventLog log(folder.path());
  log.add_scalars(7, {{"training/loss", 0.5}});
  log.add_text(0, "config", "text");
  const std::vector<std::string> events = records(log.path());
  ASSERT_EQ(events.size(), 3);
  EXPECT_EQ(field(events[0], {3}), "brain.Event:2");
  EXPECT_EQ(step_of(events[1]), 7);
  EXPECT_EQ(field(field(events[1], kFirstValue), {1}), "training/loss");
  protozero::pbf_reader time(events[1]);
  ASSERT_TRUE(time.next(1));
  EXPECT_NEAR(time.get_double(), static_cast<double>(std::time(nullptr)), 60.0);
}

TEST(EventLog, AnImageIsAPngOfTheSamePixels) {
  const TemporaryDirectory folder;
  EventLog log(folder.path());
  for (const std::int64_t channels : {1, 3}) {
    const Frames frames = gradient(1, channels);
    log.add_frames(3, "samples/x", frames);
    const std::string png = field(records(log.path()).back(), kImageBytes);
    const std::vector<std::uint8_t> bytes(png.begin(), png.end());
    const cv::Mat image = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
    ASSERT_EQ(image.channels(), channels);
    ASSERT_EQ(image.rows, frames.height);
    ASSERT_EQ(image.cols, frames.width);
    for (int y = 0; y < image.rows; ++y) {
      for (int x = 0; x < image.cols * image.channels(); ++x) {
        // OpenCV has blue first.
        const int swapped = channels == 3 ? x - x % 3 + 2 - x % 3 : x;
        EXPECT_EQ(image.ptr(y)[x], frames.frame(0)[y * image.cols * channels + swapped]);
      }
    }
    EXPECT_EQ(frames.pixels, gradient(1, channels).pixels) << "the frames themselves are kept";
  }
}

TEST(EventLog, AVideoIsAnAnimatedGifOfTheSameFrames) {
  const TemporaryDirectory folder;
  EventLog log(folder.path());
  const Frames frames = gradient(4, 1);
  log.add_frames(3, "samples/x", frames);
  const std::string gif = field(records(log.path()).back(), kImageBytes);
  EXPECT_EQ(gif.substr(0, 6), "GIF89a");
  write_file(folder / "out.gif", gif);
  const Frames seen = read_video(folder / "out.gif", 1);
  EXPECT_EQ(seen.count, 4);
  EXPECT_EQ(seen.pixels, frames.pixels);
  EXPECT_NEAR(seen.fps, 25.0, 1e-6);
  fs::remove(folder / "out.gif");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "no file is left over";
  expect_error<UsageError>([&] { log.add_frames(3, "samples/x", {}); }, "'samples/x' has no frame");
}

TEST(EventLog, AResumedRunsFileSortsBehindAndRestartsAtItsFirstStep) {
  const TemporaryDirectory folder;
  fs::path before;
  for (int i = 0; i < 3; ++i) {
    const EventLog log(folder.path(), i == 0 ? std::nullopt : std::optional<std::int64_t>(401));
    EXPECT_LT(before.string(), log.path().string());
    before = log.path();
    const std::vector<std::string> events = records(log.path());
    if (i == 0) {
      EXPECT_EQ(events.size(), 1);
      continue;
    }
    ASSERT_EQ(events.size(), 2);
    EXPECT_EQ(step_of(events[1]), 401);
    EXPECT_EQ(field(events[1], {7}), std::string("\x08\x01")) << "SessionLog.START";
  }
}

TEST(EventLog, AFullDiskIsADataErrorAndLeavesWholeRecords) {
  const TemporaryDirectory folder;
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    EventLog log(folder.path());
    const rlimit small{1000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string text(700, 'x');
    log.add_text(1, "fits", text);
    try {
      log.add_text(2, "too much", text);
      _exit(1);
    } catch (const DataError& error) {
      const std::string message = error.what();
      if (message.find("cannot write the event file '" + log.path().string()) != 0) _exit(2);
    }
    const rlimit large{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &large);
    log.add_text(3, "fits again", text);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const std::vector<std::string> events = records(fs::directory_iterator(folder.path())->path());
  ASSERT_EQ(events.size(), 3);
  EXPECT_EQ(step_of(events[1]), 1);
  EXPECT_EQ(step_of(events[2]), 3);
}

TEST(EventLog, AMissingFolderIsADataError) {
  expect_error<DataError>([] { EventLog log("/no/such/folder"); }, "/no/such/folder");
}

/// The interpreter with TensorBoard's package: $ECHOPATH_TENSORBOARD_PYTHON, or python3; "" where
/// it lacks it.
std::string tensorboard_python() {
  const char* named = std::getenv("ECHOPATH_TENSORBOARD_PYTHON");
  const std::string python = named != nullptr ? named : "python3";
  const std::string probe = "'" + python + "' -c 'import tensorboard' >/dev/null 2>&1";
  return std::system(probe.c_str()) == 0 ? python : "";
}

TEST(EventLog, TensorBoardsPythonReaderLoadsIt) {
  const std::string python = tensorboard_python();
  if (python.empty()) {
    GTEST_SKIP() << "no python with the package tensorboard; ECHOPATH_TENSORBOARD_PYTHON names one";
  }
  const TemporaryDirectory folder;
  {
    EventLog log(folder.path());
    log.add_text(0, "config", "    {}");
    for (const std::int64_t step : {10, 20, 30}) {
      log.add_scalars(step, {{"training/loss", 1.0 / static_cast<double>(step)}});
    }
  }
  EventLog log(folder.path(), 21);
  log.add_scalars(30, {{"training/loss", 0.75}});
  log.add_frames(30, "samples/image", gradient(1, 1));
  log.add_frames(30, "samples/video", gradient(4, 1));
  log.add_histogram(30, "loss_by_noise_level", {0, 1000, 5, 2, 1, {500, 1000}, {0.25, 0.5}});
  const fs::path script = fs::path(ECHOPATH_SOURCE_DIR) / "tests/io/read_event_files.py";
  const fs::path out = folder / "seen.json";
  const std::string command = "'" + python + "' '" + script.string() + "' '" +
                              folder.path().string() + "' >'" + out.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const config::Json seen = config::read_json(out.string());
  const config::Json losses = config::Json::parse(R"([[10, 0.1], [20, 0.05], [30, 0.75]])");
  EXPECT_EQ(seen.at("scalars").at("training/loss"), losses);
  const config::Json picture = config::Json::parse(R"({"step": 30, "format": "PNG", "frames": 1,
                                                       "width": 10, "height": 6})");
  EXPECT_EQ(seen.at("images").at("samples/image").at(0), picture);
  EXPECT_EQ(seen.at("images").at("samples/video").at(0).at("frames"), 4);
  EXPECT_EQ(seen.at("histograms").at("loss_by_noise_level").at(0),
            config::Json::parse(R"({"step": 30, "bins": [[0, 500, 0.25], [500, 1000, 0.5]]})"));
  EXPECT_EQ(seen.at("texts").at("config").at(0), config::Json::parse(R"([0, "    {}"])"));
}

}  // namespace
}  // namespace echopath::io
