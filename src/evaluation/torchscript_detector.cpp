#include <torch/script.h>

#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "evaluation/detectors.hpp"

namespace echopath::evaluation {
namespace {

/// Frames of the clip and size of the pictures that a module is tried on.
constexpr std::int64_t kTryFrames = 16;
constexpr std::int64_t kTrySize = 64;

/// A published detector as it is: StyleGAN's `inception-2015-12-05.pt` for frames and StyleGAN-V's
/// `i3d_torchscript.pt` for clips, or any module that takes RGB pixels of 0…255, [B, 3, H, W] bytes
/// or [B, 3, T, H, W] floating-point numbers, and gives [B, D]. Of the switches `return_features`,
/// `rescale`, `resize` and `no_output_bias` those are set that its forward has.
class TorchScriptDetector : public Detector {
 public:
  explicit TorchScriptDetector(const DetectorOptions& options) : device_(options.device) {
    require_file(options.what, "detector");
    try {
      module_ = torch::jit::load(options.what, options.device);
    } catch (const c10::Error& error) {
      throw DataError("'" + options.what + "' cannot be read as TorchScript (" + reason_of(error) +
                      "); weights of the Inception network must be called .pth");
    }
    module_.eval();
    for (const auto& argument : module_.get_method("forward").function().getSchema().arguments()) {
      switches_.insert(argument.name());
    }
    description_.name = "TorchScript " + fs::path(options.what).filename().string();
    description_.hash = sha256_file(options.what);
    description_.takes_clips = options.clips;
    description_.channels = 3;
    if (options.clips) description_.least_frames = 2;
    try_out();
  }

 private:
  /// The last line of what went wrong: those before it are TorchScript's stack.
  static std::string reason_of(const std::exception& error) {
    const auto* known = dynamic_cast<const c10::Error*>(&error);
    const std::string text =
        trim(known != nullptr ? known->what_without_backtrace() : error.what());
    return one_line(split(text, '\n').back());
  }

  /// Learns the widths from an example.
  void try_out() {
    const at::NoGradGuard no_gradients;
    const std::int64_t frames = description_.takes_clips ? kTryFrames : 1;
    const at::Tensor example = at::zeros({1, frames, 3, kTrySize, kTrySize}, at::kByte);
    description_.width = width_of(call(example, "return_features"), "features");
    if (switches_.contains("no_output_bias")) {
      description_.classes = width_of(call(example, "no_output_bias"), "class probabilities");
    }
  }

  /// D of the answer [1, D] to one example.
  std::int64_t width_of(const at::Tensor& answer, const char* what) const {
    if (answer.dim() == 2 && answer.size(0) == 1) return answer.size(1);
    throw DataError("detector '" + description_.name + "' gives " + what + " of shape " +
                    c10::str(answer.sizes()) + " for one example, where [1, D] is needed");
  }

  at::Tensor call(const at::Tensor& clips, const char* wanted) {
    std::vector<c10::IValue> arguments;
    if (description_.takes_clips) {
      arguments.emplace_back(clips.transpose(1, 2).contiguous().to(device_, at::kFloat));
    } else {
      arguments.emplace_back(clips.squeeze(1).contiguous().to(device_));
    }
    std::unordered_map<std::string, c10::IValue> named;
    for (const char* name : {wanted, "rescale", "resize"}) {
      if (switches_.contains(name)) named.emplace(name, true);
    }
    try {
      return module_.forward(std::move(arguments), named).toTensor();
    } catch (const std::exception& error) {  // c10::Error, or the script's own
      throw DataError("detector '" + description_.name + "' does not take " +
                      (description_.takes_clips ? "clips [B, 3, T, H, W]" : "frames [B, 3, H, W]") +
                      ": " + reason_of(error));
    }
  }

  DetectorOutput compute(const at::Tensor& clips, bool probabilities) override {
    DetectorOutput output;
    output.features = call(clips, "return_features");
    if (probabilities) output.log_probabilities = call(clips, "no_output_bias").log();
    return output;
  }

  at::Device device_;
  torch::jit::Module module_;
  std::set<std::string> switches_;
};

}  // namespace

std::unique_ptr<Detector> make_torchscript_detector(const DetectorOptions& options) {
  return std::make_unique<TorchScriptDetector>(options);
}

}  // namespace echopath::evaluation
