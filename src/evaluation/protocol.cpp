#include "echopath/evaluation/protocol.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::evaluation {
namespace {

// StyleGAN-V 3fecd69: fid50k_full, kid50k_full, is50k, fvd2048_16f.
MetricProtocol stylegan_v() {
  MetricProtocol protocol;
  protocol.covariance_ddof = 0;
  protocol.is_splits = 10;
  protocol.is_parts = "50000";
  protocol.kid_subsets = 100;
  protocol.pair_rows = 0;
  protocol.synthetic_clip = "first";
  protocol.synthetic_frames = 50'000;
  protocol.clips = 2048;
  protocol.neighbours = "any";
  return protocol;
}

// torch-fidelity 0.4.0.
MetricProtocol torch_fidelity() {
  MetricProtocol protocol;
  protocol.is_splits = 10;
  protocol.is_order = "numpy";
  protocol.kid_subsets = 100;
  protocol.kid_order = "numpy";
  protocol.pair_rows = 0;
  protocol.neighbours = "any";
  return protocol;
}

// clean-fid e88c4d6; see has_inception_score().
MetricProtocol clean_fid() {
  MetricProtocol protocol;
  protocol.inception_resize = "clean";
  protocol.kid_subsets = 100;
  protocol.pair_rows = 0;
  protocol.neighbours = "any";
  return protocol;
}

// torchmetrics 1.9.0.
MetricProtocol torchmetrics() {
  MetricProtocol protocol;
  protocol.inception_resize = "antialias";
  protocol.is_splits = 10;
  protocol.is_parts = "chunks";
  protocol.is_order = "random";
  protocol.is_ddof = 1;
  protocol.kid_subsets = 100;
  protocol.pair_rows = 0;
  protocol.neighbours = "any";
  return protocol;
}

}  // namespace

void MetricProtocol::visit(config::Visitor& v) {
  v.integer("covariance_ddof", covariance_ddof, {0, 1}, "divisor N - ddof of covariances");
  v.choice("inception_resize", inception_resize, {"tensorflow1", "clean", "antialias"},
           "how the native InceptionV3 resizes images");
  v.choice("jpeg", jpeg, {"none", "published"},
           "frames as they are, or through JPEG of quality 100 (real) and 95 (synthetic)");
  v.integer("is_splits", is_splits, {1, 1'000'000},
            "parts that an inception score is averaged over");
  v.choice("is_parts", is_parts, {"rows", "50000", "chunks"}, "where the parts end");
  v.choice("is_order", is_order, {"file", "numpy", "random"},
           "order of the rows before they are parted");
  v.integer("is_ddof", is_ddof, {0, 1}, "divisor of the deviation over the parts");
  v.integer("kid_subsets", kid_subsets, {0, 1'000'000},
            "random subsets of the kernel distance; 0: all at once");
  v.integer("kid_subset_size", kid_subset_size, {2, 1'000'000}, "rows of a subset");
  v.choice("kid_order", kid_order, {"random", "numpy"}, "how subsets are drawn");
  v.integer("pair_rows", pair_rows, {0, 1'000'000},
            "rows of a side that kernel distance, precision and recall look at; 0: all");
  v.integer("precision_neighbours", precision_neighbours, {1, 1000},
            "neighbours of precision and recall");
  v.integer("density_neighbours", density_neighbours, {1, 1000},
            "neighbours of density and coverage");
  v.choice("neighbours", neighbours, {"other_patients", "any"}, "whose rows count as neighbours");
  v.choice("real_clip", real_clip, {"random", "first", "middle"},
           "where the clip of a real video starts");
  v.choice("synthetic_clip", synthetic_clip, {"random", "first", "middle"},
           "where the clip of a synthetic video starts");
  v.integer("synthetic_frames", synthetic_frames, {0, 1'000'000'000},
            "at most so many of the first synthetic frames; 0: all");
  v.integer("clips", clips, {0, 1'000'000'000}, "at most so many of the first clips; 0: all");
}

const std::vector<std::string>& protocol_names() {
  static const std::vector<std::string> names = {"echopath", "stylegan-v", "torch-fidelity",
                                                 "clean-fid", "torchmetrics"};
  return names;
}

MetricProtocol protocol_of(const std::string& tool) {
  if (tool == "echopath") return {};
  if (tool == "stylegan-v") return stylegan_v();
  if (tool == "torch-fidelity") return torch_fidelity();
  if (tool == "clean-fid") return clean_fid();
  if (tool == "torchmetrics") return torchmetrics();
  throw UsageError("--compat " + quoted_text(tool) + " is unknown; there are " +
                   join(protocol_names(), ", "));
}

bool has_inception_score(const std::string& tool) {
  return tool != "clean-fid";
}

}  // namespace echopath::evaluation
