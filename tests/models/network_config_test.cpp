// What a network's config.json may say: everything is understood or refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using ::testing::AllOf;
using testing::Fixture;
using ::testing::HasSubstr;

struct Change {
  const char* fixture;
  const char* key;
  config::Json value;
};

/// The error of building the fixture's network with one key of its config changed.
std::string error_of(const Change& change) {
  config::Json config = Fixture(change.fixture).config_json();
  config[change.key] = change.value;
  try {
    testing::build_network(config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(NetworkConfig, UnknownKeysAndUnsupportedValuesAreRefusedByName) {
  const std::vector<Change> changes = {
      {"vae", "act_fn", "relu"},
      {"vae", "latents_mean", {0.1, 0.2, 0.3, 0.4}},
      {"vae", "shift_factor", 0.5},
      {"vae", "down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}},
      {"vae", "encoder_depth", 3},
      {"unet_2d", "resnet_time_scale_shift", "scale_shift"},
      {"unet_2d", "class_embed_type", "timestep"},
      {"unet_2d", "num_class_embeds", 4},
      {"unet_2d", "time_embedding_type", "fourier"},
      {"unet_2d", "downsample_type", "fir"},
      {"unet_2d", "up_block_types", {"UpBlock2D", "SkipUpBlock2D", "AttnUpBlock2D"}},
      {"unet_2d_condition", "class_embed_type", "timestep"},
      {"unet_2d_condition", "addition_embed_type", "text"},
      {"unet_2d_condition", "num_attention_heads", 8},
      {"unet_2d_condition", "only_cross_attention", true},
      {"unet_2d_condition", "conv_in_kernel", 5},
      {"unet_2d_condition", "encoder_hid_dim", 16},
      {"unet_2d_condition", "attention_type", "gated"},
      {"unet_2d_condition", "cross_attention_norm", "layer_norm"},
      {"unet_2d_condition", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn"},
      {"unet_2d_condition", "attention_head_dim", {4, 8}},
      {"unet_spatio_temporal", "norm_num_groups", 12},
      {"unet_spatio_temporal", "down_block_types", {"DownBlock3D", "DownBlockSpatioTemporal"}},
      {"unet_spatio_temporal", "num_attention_heads", 5},
      {"unet_spatio_temporal", "layers_per_block", "two"},
      {"reid_resnet18", "block", "inverted"},
      {"resnet_narrow", "groups", 32},
      {"resnet_narrow", "depths", {2, 2, 2}},
      {"video_resnet_3d_narrow", "convolution", "mixed"},
      {"video_resnet_3d_narrow", "width", 0}};
  for (const Change& change : changes) {
    EXPECT_THAT(error_of(change), HasSubstr(change.key)) << change.fixture;
  }
}

TEST(NetworkConfig, ChannelsThatDoNotDivideAreNamedWithTheirGroups) {
  EXPECT_THAT(error_of({"vae", "norm_num_groups", 12}),
              AllOf(HasSubstr("AutoencoderKL: block_out_channels has 16"),
                    HasSubstr("norm_num_groups = 12")));
  EXPECT_THAT(error_of({"unet_2d", "attention_head_dim", 5}), HasSubstr("attention_head_dim = 5"));
  EXPECT_THAT(error_of({"unet_spatio_temporal", "block_out_channels", {32, 48}}),
              AllOf(HasSubstr("block_out_channels has 48"), HasSubstr("32")));
}

}  // namespace
}  // namespace echopath::models
