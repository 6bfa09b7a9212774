#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/temporary_directory.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/pt_reader.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/convert.hpp"
#include "models/fixture.hpp"

namespace echopath::models::testing {

inline const fs::path kFixtures = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/convert";
inline constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";

inline ConvertOptions from(const fs::path& source, const fs::path& config = {}) {
  ConvertOptions options;
  options.source = source.string();
  options.config = config.string();
  return options;
}

inline config::Json config_of(const fs::path& directory) {
  return config::read_json((directory / "config.json").string());
}

/// Every tensor holds the values that the fixtures' script gave to its name.
inline void expect_hashed_weights(const fs::path& directory, std::size_t count,
                                  at::ScalarType dtype = at::kFloat) {
  const io::SafetensorsFile file(directory / kWeights);
  EXPECT_EQ(file.names().size(), count);
  for (const std::string& name : file.names()) {
    const at::Tensor tensor = file.tensor(name);
    const at::Tensor expected =
        tensor.is_floating_point()
            ? hashed_values(name, tensor.numel()).view(tensor.sizes()).to(dtype)
            : at::zeros_like(tensor);
    EXPECT_EQ(tensor.scalar_type(), expected.scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, expected)) << name;
  }
}

/// The re-identification fixture's tensors, to be spoiled.
inline io::TensorMap reid_tensors() {
  io::TensorMap tensors;
  for (const auto& [name, tensor] : io::load_pt(kFixtures / "reid_stream.pth")) {
    tensors[name.substr(std::string("state_dict.module.").size())] = tensor.clone();
  }
  return tensors;
}

class Convert : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const io::TensorMap& tensors) {
    io::save_safetensors(folder_ / name, tensors);
    return folder_ / name;
  }
  fs::path write_text(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return folder_ / name;
  }
  fs::path copy_of_shards() {
    fs::copy(kFixtures / "sharded", folder_ / "sharded", fs::copy_options::recursive);
    return folder_ / "sharded";
  }

  TemporaryDirectory folder_;
  fs::path out_ = folder_ / "out";
};

}  // namespace echopath::models::testing
