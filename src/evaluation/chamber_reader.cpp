#include "echopath/evaluation/chamber_reader.hpp"

#include <algorithm>
#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kFramesAtOnce = 16;

models::Classifier load(const models::ModelDirectory& model, const std::string& component,
                        at::Device device) {
  model.require({component});
  models::Classifier network = model.load_classifier(component, device);
  if (network.config().is_segmentation()) return network;
  throw DataError((model.path() / component).string() +
                  " tells classes of videos apart; chambers are read by a network of task "
                  "segmentation (`echopath train classifier --config "
                  "configs/phantom/segmentation.json`)");
}

std::uint8_t label_of(const models::ClassifierConfig& config, const std::string& chamber,
                      const std::string& path) {
  const auto found = std::find(config.classes.begin(), config.classes.end(), chamber);
  if (found != config.classes.end()) {
    return static_cast<std::uint8_t>(found - config.classes.begin());
  }
  throw DataError(path + "/config.json: classes lacks " + chamber + "; it has " +
                  join(config.classes, ", "));
}

}  // namespace

ChamberReader::ChamberReader(const models::ModelDirectory& model, const std::string& component,
                             at::Device device)
    : network_(load(model, component, device)),
      device_(device),
      hash_(model.component_hash(component)) {
  const std::string path = (model.path() / component).string();
  const models::ClassifierConfig& config = network_.config();
  labels_.lv = label_of(config, "LV", path);
  labels_.rv = label_of(config, "RV", path);
  labels_.la = label_of(config, "LA", path);
  labels_.ra = label_of(config, "RA", path);
}

io::Frames ChamberReader::label_maps(const io::Frames& frames, const std::string& source) const {
  const std::int64_t size = network_.config().clip.sample_size;
  if (frames.height != size || frames.width != size || frames.channels != 1) {
    throw DataError(source + ": its frames are " + std::to_string(frames.width) + "x" +
                    std::to_string(frames.height) + ", but the segmentation network takes " +
                    std::to_string(size) + "x" + std::to_string(size));
  }
  const at::NoGradGuard no_grad;
  io::Frames maps = frames;
  for (std::int64_t first = 0; first < frames.count; first += kFramesAtOnce) {
    const std::int64_t count = std::min(kFramesAtOnce, frames.count - first);
    // from_blob takes a pointer it may write to; the copy to floats is what is worked on.
    const at::Tensor clip = at::from_blob(const_cast<std::uint8_t*>(frames.frame(first)),
                                          {1, count, size, size}, at::kByte)
                                .to(device_, at::kFloat);
    const at::Tensor labels =
        network_.forward(network_.normalise(clip)).argmax(1).to(at::kCPU, at::kByte).contiguous();
    std::memcpy(maps.frame(first), labels.const_data_ptr<std::uint8_t>(),
                static_cast<std::size_t>(labels.numel()));
  }
  return maps;
}

}  // namespace echopath::evaluation
