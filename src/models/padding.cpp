#include "echopath/models/padding.hpp"

namespace echopath::models {

PaddedLatents pad_latents(const at::Tensor& x, std::int64_t multiple,
                          const Compatibility& compatibility) {
  TORCH_CHECK(x.dim() >= 3, "pad_latents takes [..., H, W] with at least three dimensions");
  PaddedLatents padded;
  if (compatibility.pad_multiples_of_eight) {
    const std::int64_t each_side = (8 - x.size(-1) % 8) / 2;
    padded.left = padded.right = padded.top = padded.bottom = each_side;
  } else {
    const std::int64_t extra_width = (multiple - x.size(-1) % multiple) % multiple;
    const std::int64_t extra_height = (multiple - x.size(-2) % multiple) % multiple;
    padded.left = extra_width / 2;
    padded.right = extra_width - padded.left;
    padded.top = extra_height / 2;
    padded.bottom = extra_height - padded.top;
  }
  // Leading dimensions go into one: replication pads [N, H, W].
  const at::Tensor planes = x.flatten(0, -3);
  const at::Tensor bordered =
      at::replication_pad2d(planes, {padded.left, padded.right, padded.top, padded.bottom});
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape[shape.size() - 2] = bordered.size(-2);
  shape[shape.size() - 1] = bordered.size(-1);
  padded.latents = bordered.view(shape);
  return padded;
}

at::Tensor unpad_latents(const at::Tensor& x, const PaddedLatents& padding) {
  const std::int64_t height = x.size(-2) - padding.top - padding.bottom;
  const std::int64_t width = x.size(-1) - padding.left - padding.right;
  return x.narrow(-2, padding.top, height).narrow(-1, padding.left, width);
}

}  // namespace echopath::models
