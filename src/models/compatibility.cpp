#include "echopath/models/compatibility.hpp"

namespace echopath::models {

void Compatibility::visit(config::Visitor& v) {
  v.boolean("null_is_class_zero", null_is_class_zero,
            "\"no condition\" is class 0, as in EchoPath, not a token of its own");
  v.boolean("context_mixup_0_27", context_mixup_0_27,
            "temporal cross-attention mixes the labels of a batch, as diffusers up to 0.27.2 did");
  v.boolean("pad_multiples_of_eight", pad_multiples_of_eight,
            "pad latents as EchoNet-Synthetic's padf does, multiples of eight too");
}

}  // namespace echopath::models
