#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// A histogram as TensorBoard keeps it: bin i reaches from the limit before it (`min` for the
/// first) to `limits[i]`, and stands as high as `heights[i]`.
struct Histogram {
  double min = 0.0;
  double max = 0.0;
  double count = 0.0;
  double sum = 0.0;
  double sum_of_squares = 0.0;
  std::vector<double> limits;   ///< right edges, ascending
  std::vector<double> heights;  ///< one for each limit
};

/// One event file of TensorBoard: TFRecords (length, masked CRC-32C, content) of `Event` messages
/// (tensorboard/compat/proto/event.proto, summary.proto). Every call writes whole records through
/// to the file; where that fails (a full disk) it takes back what it began and throws DataError
/// naming the file, and the next call goes on behind the last whole record.
class EventLog {
 public:
  /// Begins a file `events.out.tfevents.SECONDS.HOST.PID` in `directory`, whose name sorts behind
  /// those of the event files there, as TensorBoard reads them in that order. With `first_step` it
  /// makes TensorBoard drop what those hold of this and later steps.
  explicit EventLog(const std::filesystem::path& directory,
                    std::optional<std::int64_t> first_step = std::nullopt);

  const std::filesystem::path& path() const { return path_; }

  /// Figures of one step, each a curve of its own.
  void add_scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  /// One frame as a PNG, several as an animated GIF. Throws UsageError on no frame.
  void add_frames(std::int64_t step, const std::string& tag, const Frames& frames);
  void add_histogram(std::int64_t step, const std::string& tag, const Histogram& histogram);
  /// Text in Markdown.
  void add_text(std::int64_t step, const std::string& tag, const std::string& text);

 private:
  void write(const std::string& event);

  std::filesystem::path path_;
  std::ofstream file_;
  std::uintmax_t whole_ = 0;  ///< bytes of whole records
};

}  // namespace echopath::io
