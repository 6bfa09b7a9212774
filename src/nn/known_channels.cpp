#include "echopath/nn/known_channels.hpp"

namespace echopath::nn {

Conv2dOfKnownChannels::Conv2dOfKnownChannels(const Conv2d& convolution, const torch::Tensor& known)
    : options_(convolution.options()) {
  const torch::NoGradGuard no_grad;
  const std::int64_t others = options_.in_channels - known.size(1);
  TORCH_CHECK(others > 0, "a convolution of ", options_.in_channels, " channels cannot know ",
              known.size(1), " of them");
  // A slice of channels is strided; oneDNN would lay it out anew at every pass.
  const auto channels = [&](std::int64_t begin, std::int64_t end) {
    return convolution.weight().slice(1, begin, end).contiguous(at::MemoryFormat::ChannelsLast);
  };
  weight_ = channels(0, others);
  share_ = at::conv2d(known.contiguous(at::MemoryFormat::ChannelsLast),
                      channels(others, options_.in_channels), convolution.bias(), options_.stride,
                      options_.padding);
}

torch::Tensor Conv2dOfKnownChannels::forward(const torch::Tensor& x) const {
  return at::conv2d(x.contiguous(at::MemoryFormat::ChannelsLast), weight_, {}, options_.stride,
                    options_.padding)
      .add_(share_);
}

}  // namespace echopath::nn
