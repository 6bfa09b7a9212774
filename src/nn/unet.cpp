#include "echopath/nn/unet.hpp"

#include <algorithm>

#include "echopath/nn/checkpointing.hpp"

namespace echopath::nn {

namespace {

void register_list(torch::nn::Module& owner, const std::string& name,
                   const std::vector<std::shared_ptr<FeatureLayer>>& layers) {
  if (layers.empty()) return;
  auto list = owner.register_module(name, std::make_shared<Container>());
  for (std::size_t i = 0; i < layers.size(); ++i) list->add(std::to_string(i), layers[i]);
}

template <class Block>
void register_blocks(torch::nn::Module& owner, const std::string& name,
                     const std::vector<std::shared_ptr<Block>>& blocks) {
  auto list = owner.register_module(name, std::make_shared<Container>());
  for (std::size_t i = 0; i < blocks.size(); ++i) list->add(std::to_string(i), blocks[i]);
}

void register_layers(torch::nn::Module& owner, const BlockLayers& layers,
                     const std::string& sampler_name) {
  register_list(owner, "attentions", layers.attentions);
  register_list(owner, "resnets", layers.resnets);
  if (layers.sampler) register_list(owner, sampler_name, {layers.sampler});
}

using Layers = std::vector<std::shared_ptr<FeatureLayer>>;

/// The layers one after the other, on feature maps whose channels are put together. It holds no
/// map longer than the first layer does.
torch::Tensor run_plain(const Layers& layers, std::vector<torch::Tensor> maps,
                        const StepContext& step) {
  torch::Tensor x = maps.size() == 1 ? maps.front() : at::cat(maps, 1);
  maps.clear();
  for (const auto& layer : layers) x = layer->forward(x, step);
  return x;
}

/// The same where activations are checkpointed: what the layers are told besides the feature maps
/// has gradients too, so that it goes in as inputs of the segment.
torch::Tensor run_checkpointed(const Layers& layers, const std::vector<torch::Tensor>& maps,
                               const StepContext& step) {
  std::vector<torch::Tensor> inputs = maps;
  StepContext rest = step;
  std::vector<Condition StepContext::*> given;
  for (Condition StepContext::*member : {&StepContext::activated_temb, &StepContext::context}) {
    if (!(step.*member).defined()) continue;
    inputs.push_back((step.*member).value());
    given.push_back(member);
    rest.*member = {};
  }
  const std::size_t count = maps.size();
  const auto segment = [layers, rest, given, count](const std::vector<torch::Tensor>& tensors) {
    StepContext again = rest;
    for (std::size_t i = 0; i < given.size(); ++i) again.*given[i] = tensors[count + i];
    const auto end = tensors.begin() + static_cast<std::ptrdiff_t>(count);
    return run_plain(layers, {tensors.begin(), end}, again);
  };
  std::vector<torch::Tensor> parameters;
  for (const auto& layer : layers) {
    const std::vector<torch::Tensor> own = layer->parameters();
    parameters.insert(parameters.end(), own.begin(), own.end());
  }
  return checkpoint(segment, inputs, parameters);
}

torch::Tensor run(const Layers& layers, std::vector<torch::Tensor> maps, const StepContext& step) {
  return CheckpointingScope::active() ? run_checkpointed(layers, maps, step)
                                      : run_plain(layers, std::move(maps), step);
}

torch::Tensor run(const Layers& layers, torch::Tensor&& x, const StepContext& step) {
  std::vector<torch::Tensor> maps;
  maps.push_back(std::move(x));
  return run(layers, std::move(maps), step);
}

/// Resnet `i` of a block with the attention behind it.
Layers stage(const BlockLayers& layers, std::size_t i) {
  if (layers.attentions.empty()) return {layers.resnets[i]};
  return {layers.resnets[i], layers.attentions[i]};
}

}  // namespace

DownBlock::DownBlock(BlockLayers layers) : layers_(std::move(layers)) {
  register_layers(*this, layers_, "downsamplers");
}

torch::Tensor DownBlock::forward(torch::Tensor x, const StepContext& step,
                                 std::vector<torch::Tensor>* skips) {
  for (std::size_t i = 0; i < layers_.resnets.size(); ++i) {
    x = run(stage(layers_, i), std::move(x), step);
    if (skips != nullptr) skips->push_back(x);
  }
  if (layers_.sampler) {
    x = run({layers_.sampler}, std::move(x), step);
    if (skips != nullptr) skips->push_back(x);
  }
  return x;
}

MidBlock::MidBlock(BlockLayers layers) : layers_(std::move(layers)) {
  register_layers(*this, layers_, "");
}

torch::Tensor MidBlock::forward(torch::Tensor x, const StepContext& step) {
  x = run({layers_.resnets[0]}, std::move(x), step);
  for (std::size_t i = 1; i < layers_.resnets.size(); ++i) {
    Layers stage;
    if (!layers_.attentions.empty()) stage.push_back(layers_.attentions[i - 1]);
    stage.push_back(layers_.resnets[i]);
    x = run(stage, std::move(x), step);
  }
  return x;
}

UpBlock::UpBlock(BlockLayers layers) : layers_(std::move(layers)) {
  register_layers(*this, layers_, "upsamplers");
}

torch::Tensor UpBlock::forward(torch::Tensor x, const StepContext& step,
                               std::vector<torch::Tensor>* skips) {
  for (std::size_t i = 0; i < layers_.resnets.size(); ++i) {
    std::vector<torch::Tensor> maps;
    maps.push_back(std::move(x));
    if (skips != nullptr) {
      maps.push_back(std::move(skips->back()));
      skips->pop_back();
    }
    x = run(stage(layers_, i), std::move(maps), step);
  }
  if (!layers_.sampler) return x;
  StepContext sized = step;
  if (skips != nullptr) sized.upsample_size = {skips->back().size(2), skips->back().size(3)};
  return run({layers_.sampler}, std::move(x), sized);
}

UpBlockChannels up_block_channels(const std::vector<std::int64_t>& block_out_channels,
                                  std::int64_t index, std::int64_t resnets) {
  const auto blocks = static_cast<std::int64_t>(block_out_channels.size());
  const auto channels_at = [&](std::int64_t decoder_index) {
    const std::int64_t i = std::clamp<std::int64_t>(decoder_index, 0, blocks - 1);
    return block_out_channels[static_cast<std::size_t>(blocks - 1 - i)];
  };
  UpBlockChannels channels;
  channels.out = channels_at(index);
  for (std::int64_t i = 0; i < resnets; ++i) {
    const std::int64_t from_below = i == 0 ? channels_at(index - 1) : channels.out;
    const std::int64_t skip = i == resnets - 1 ? channels_at(index + 1) : channels.out;
    channels.in.push_back(from_below + skip);
  }
  return channels;
}

void UNetParts::register_in(torch::nn::Module& owner) const {
  owner.register_module("conv_in", conv_in);
  register_blocks(owner, "down_blocks", down_blocks);
  register_blocks(owner, "up_blocks", up_blocks);
  owner.register_module("mid_block", mid_block);
  owner.register_module("conv_norm_out", conv_norm_out);
  owner.register_module("conv_out", conv_out);
}

torch::Tensor UNetParts::forward(const torch::Tensor& x, const StepContext& step) const {
  return forward_from_conv_in(conv_in->forward(x), step);
}

torch::Tensor UNetParts::forward_from_conv_in(torch::Tensor h, const StepContext& step) const {
  std::vector<torch::Tensor> skips = {h};
  for (const auto& block : down_blocks) h = block->forward(h, step, &skips);
  h = mid_block->forward(h, step);
  for (const auto& block : up_blocks) h = block->forward(h, step, &skips);
  return conv_out->forward(conv_norm_out->forward_silu(h));
}

}  // namespace echopath::nn
