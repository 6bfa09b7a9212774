#include "echopath/io/pt_reader.hpp"

#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <map>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::io {
namespace {

const fs::path kFixtures = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/pt";

/// What tests/fixtures/pt/make.py's tensors() holds.
TensorMap expected_tensors() {
  const at::Tensor base = at::arange(12, at::kFloat).reshape({3, 4});
  TensorMap tensors;
  tensors["float"] = at::tensor({4.0F, 6.0F, 8.0F, 10.0F}).reshape({2, 2});
  tensors["transposed"] = base.t().contiguous();
  tensors["double"] = at::tensor({0.5, -2.0}, at::kDouble);
  tensors["half"] = at::tensor({1.0F, -0.25F}).to(at::kHalf);
  tensors["bfloat"] = at::tensor({3.0F, -1.5F}).to(at::kBFloat16);
  tensors["long"] = at::tensor({std::int64_t{-1}, std::int64_t{1} << 40}, at::kLong);
  tensors["int"] = at::tensor({7, -8}, at::kInt);
  tensors["short"] = at::tensor({-300}, at::kShort);
  tensors["char"] = at::tensor({-128, 127}, at::kChar);
  tensors["byte"] = at::tensor({0, 255, 3}, at::kByte);
  tensors["bool"] = at::tensor({1, 0, 1}, at::kInt).to(at::kBool);
  tensors["scalar"] = at::scalar_tensor(2.5, at::kFloat);
  tensors["empty"] = at::zeros({0, 4}, at::kFloat);
  return tensors;
}

void expect_equal(const TensorMap& actual, const TensorMap& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.count(name)) << name;
    EXPECT_EQ(actual.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(actual.at(name).sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(at::equal(actual.at(name), tensor)) << name;
  }
}

// Short pickles, protocol 2.
const std::string kFloatStorage = "ctorch\nFloatStorage\n";
const std::string kRebuild = "ctorch._utils\n_rebuild_tensor_v2\n";

std::string unicode(const std::string& text) {
  return std::string("X") + static_cast<char>(text.size()) + std::string(3, '\0') + text;
}

std::string integer(std::int64_t value) {
  std::string raw(8, '\0');
  std::memcpy(raw.data(), &value, 8);
  return std::string("\x8a\x08") + raw;
}

std::string tuple(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (const std::int64_t value : values) {
    text += integer(value);
  }
  return text + "t";
}

/// A float tensor on storage "0" of `count` elements.
std::string tensor_pickle(std::int64_t count, std::int64_t offset,
                          const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides) {
  return kRebuild + "((" + unicode("storage") + kFloatStorage + unicode("0") + unicode("cpu") +
         integer(count) + "tQ" + integer(offset) + tuple(sizes) + tuple(strides) + "\x89}tR";
}

using Entries = std::map<std::string, std::string>;

fs::path make_zip(const TemporaryDirectory& folder, const Entries& entries, bool deflate = false) {
  const fs::path path = folder / "x.pt";
  fs::remove(path);
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, nullptr);
  for (const auto& [name, content] : entries) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                             deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  EXPECT_EQ(zip_close(archive), 0);
  return path;
}

void expect_zip_refused(const std::string& pickle, const std::string& data,
                        const std::string& part) {
  const TemporaryDirectory folder;
  const fs::path path =
      make_zip(folder, {{"x/data.pkl", "\x80\x02" + pickle + "."}, {"x/data/0", data}});
  expect_error<DataError>([&] { load_pt(path); }, part);
  expect_error<DataError>([&] { load_pt(path); }, "'" + path.string() + "'");
}

TEST(LoadPt, ReadsEveryDtypeAndViewOfBothFormats) {
  for (const char* name : {"dict_zip.pt", "dict_stream.pt", "protocol5_zip.pt"}) {
    SCOPED_TRACE(name);
    expect_equal(load_pt(kFixtures / name), expected_tensors());
  }
}

TEST(LoadPt, ViewsOfOneStorageShareIt) {
  const TensorMap tensors = load_pt(kFixtures / "dict_zip.pt");
  EXPECT_EQ(tensors.at("transposed").strides(), at::IntArrayRef({1, 4}));
  tensors.at("transposed").fill_(9);
  EXPECT_EQ(tensors.at("float").sum().item<float>(), 36.0F);
}

TEST(LoadPt, BareTensorHasTheEmptyKey) {
  for (const char* name : {"bare_zip.pt", "bare_stream.pt"}) {
    SCOPED_TRACE(name);
    expect_equal(load_pt(kFixtures / name), {{"", at::arange(6, at::kLong).reshape({2, 3})}});
  }
}

TEST(LoadPt, NestedKeysAreDottedAndOtherValuesLeftOut) {
  const TensorMap expected = {{"model.weight", at::ones({2})},
                              {"model.bias", at::zeros({2})},
                              {"state.0.step", at::scalar_tensor(3.0, at::kFloat)},
                              {"state.-1.0", at::scalar_tensor(4, at::kLong)},
                              {"state.-1.1.0", at::scalar_tensor(5, at::kLong)}};
  for (const char* name : {"nested_zip.pt", "nested_stream.pt"}) {
    SCOPED_TRACE(name);
    expect_equal(load_pt(kFixtures / name), expected);
  }
}

TEST(LoadPt, ReadsAStateDictWithItsAttributes) {
  const TensorMap tensors = load_pt(kFixtures / "state_dict_zip.pt");
  ASSERT_EQ(tensors.size(), 2U);
  // torch.manual_seed(0); torch.nn.Linear(2, 1)
  EXPECT_NEAR(tensors.at("weight").select(1, 0).item<float>(), -0.005293981172144413, 1e-7);
  EXPECT_NEAR(tensors.at("bias").item<float>(), -0.5819807648658752, 1e-6);
}

TEST(PtHardening, RefusesForeignCodeByNameAndRunsNothing) {
  for (const char* name : {"evil_zip.pt", "evil_stream.pt", "plain_pickle.pt"}) {
    SCOPED_TRACE(name);
    expect_error<DataError>([&] { load_pt(kFixtures / name); },
                            "names the Python object 'posix.system'");
  }
  EXPECT_FALSE(fs::exists("/tmp/echopath-pwned"));
  expect_error<DataError>([&] { load_pt(kFixtures / "module_zip.pt"); },
                          "'torch.nn.modules.linear.Linear'");
  expect_zip_refused("\x8c\x02os\x8c\x06system\x93", "", "'os.system'");
  expect_zip_refused("cos\nsystem\n", "", "'os.system'");
  expect_zip_refused("ctorch\nload\n", "", "'torch.load'");
}

TEST(PtHardening, RefusesOtherKindsOfFiles) {
  const TemporaryDirectory folder;
  expect_error<DataError>([&] { load_pt(kFixtures / "torchscript_zip.pt"); }, "TorchScript");
  expect_error<DataError>([&] { load_pt(kFixtures / "no_tensor_zip.pt"); }, "holds no tensor");
  expect_error<DataError>([&] { load_pt(folder / "absent.pt"); }, "No such file");
  write_file(folder / "x.pt", "text");
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "not a file of torch.save");
  write_file(folder / "x.pt", "");
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "not a file of torch.save");
  write_file(folder / "x.pt", "PK\x03\x04 and nothing more");
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "not a readable zip archive");
  write_file(folder / "x.pt", "\x80\x02K\x01.");
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "the magic number differs");
  make_zip(folder, {{"a.txt", "x"}});
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "without data.pkl");
  make_zip(folder, {{"x/data.pkl", "\x80\x02]."}, {"x/byteorder", "big"}});
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "big-endian");
}

TEST(PtHardening, EveryCutIsAnErrorAndNeverACrash) {
  const TemporaryDirectory folder;
  for (const char* name : {"dict_stream.pt", "nested_zip.pt", "nested_stream.pt"}) {
    SCOPED_TRACE(name);
    fs::copy_file(kFixtures / name, folder / "cut.pt", fs::copy_options::overwrite_existing);
    for (std::size_t length = fs::file_size(folder / "cut.pt"); length-- > 0;) {
      fs::resize_file(folder / "cut.pt", length);
      EXPECT_THROW(load_pt(folder / "cut.pt"), DataError) << length;
    }
  }
}

TEST(PtHardening, ADamagedStorageIsNoticed) {
  const TemporaryDirectory folder;
  std::string bytes = read_file(kFixtures / "bare_zip.pt");
  const std::string element("\x05\0\0\0\0\0\0\0", 8);
  const std::size_t place = bytes.find(element);
  ASSERT_NE(place, std::string::npos);
  bytes[place] = 6;
  write_file(folder / "x.pt", bytes);
  expect_error<DataError>([&] { load_pt(folder / "x.pt"); }, "the entry 'bare_zip/data/0' is");
}

TEST(PtHardening, CompressedEntriesAreRefused) {
  const TemporaryDirectory folder;
  const fs::path bomb =
      make_zip(folder,
               {{"x/data.pkl", "\x80\x02" + tensor_pickle(250000, 0, {1}, {1}) + "."},
                {"x/data/0", std::string(1'000'000, '\0')}},
               true);
  ASSERT_LT(fs::file_size(bomb), 10000U);
  expect_error<DataError>([&] { load_pt(bomb); }, "is compressed or encrypted");
}

TEST(PtHardening, TensorsMustLieWithinTheirStorage) {
  const std::string data(24, '\0');
  const TemporaryDirectory folder;
  const fs::path good = make_zip(
      folder,
      {{"x/data.pkl", "\x80\x02" + tensor_pickle(6, 1, {2, 2}, {3, 1}) + "."}, {"x/data/0", data}});
  EXPECT_EQ(load_pt(good).at("").sizes(), at::IntArrayRef({2, 2}));
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  expect_zip_refused(tensor_pickle(6, 2, {2, 2}, {3, 1}), data,
                     "reaches to element 6 of a storage of 6");
  expect_zip_refused(tensor_pickle(6, 7, {0}, {1}), data, "do not fit together");
  expect_zip_refused(tensor_pickle(6, -1, {1}, {1}), data, "do not fit together");
  expect_zip_refused(tensor_pickle(6, 0, {2}, {1, 1}), data, "do not fit together");
  expect_zip_refused(tensor_pickle(6, 0, {2}, {-1}), data, "no natural number");
  expect_zip_refused(tensor_pickle(6, 0, {-2}, {1}), data, "no natural number");
  expect_zip_refused(tensor_pickle(6, 0, {3}, {kMax}), data, "overflow 64 bits");
  expect_zip_refused(tensor_pickle(6, 0, {kMax, kMax}, {0, 0}), data, "overflow 64 bits");
  expect_zip_refused(tensor_pickle(6, 0, {0, kMax, 3}, {1, 1, 1}), data, "overflow 64 bits");
  expect_zip_refused(tensor_pickle(6, 0, {1 << 20}, {0}), data, "repeats the elements");
  expect_zip_refused(tensor_pickle(7, 0, {1}, {1}), data, "has 24 bytes, not the announced 28");
  expect_zip_refused(tensor_pickle(1 << 30, 0, {1}, {1}), data, "does not fit in the file");
  expect_zip_refused(tensor_pickle(kMax, 0, {1}, {1}), data, "does not fit in the file");
  expect_zip_refused(tensor_pickle(-1, 0, {1}, {1}), data, "unknown form");
  expect_error<DataError>([&] { load_pt(kFixtures / "expanded_zip.pt"); },
                          "tensor 'wide' repeats the elements of its storage");
}

// As torch before 0.4 wrote tensors: _rebuild_tensor, and views of storages.
std::string old_tensor_pickle(const std::string& view) {
  return "ctorch._utils\n_rebuild_tensor\n((" + unicode("storage") + kFloatStorage + unicode("0") +
         unicode("cpu") + integer(6) + view + "tQ" + integer(1) + tuple({2}) + tuple({1}) + "tR";
}

TEST(LoadPt, ReadsTensorsAndViewsOfOldTorch) {
  const std::vector<float> numbers = {0, 1, 2, 3, 4, 5};
  const std::string data(reinterpret_cast<const char*>(numbers.data()), 24);
  const TemporaryDirectory folder;
  const auto load = [&](const std::string& view) {
    return load_pt(make_zip(
        folder, {{"x/data.pkl", "\x80\x02" + old_tensor_pickle(view) + "."}, {"x/data/0", data}}));
  };
  expect_equal(load(""), {{"", at::tensor({1.0F, 2.0F})}});
  expect_equal(load("N"), {{"", at::tensor({1.0F, 2.0F})}});
  expect_equal(load("(" + unicode("v") + integer(3) + integer(3) + "t"),
               {{"", at::tensor({4.0F, 5.0F})}});
  expect_zip_refused(old_tensor_pickle("(" + unicode("v") + integer(3) + integer(2) + "t"), data,
                     "reaches to element 2 of a storage of 2");
  expect_zip_refused(old_tensor_pickle("(" + unicode("v") + integer(3) + integer(4) + "t"), data,
                     "a view of storage '0' lies outside its 6 elements");
  expect_zip_refused(old_tensor_pickle("(" + unicode("v") + integer(-1) + integer(4) + "t"), data,
                     "lies outside");
  expect_zip_refused(old_tensor_pickle(tuple({1})), data, "unknown form");
}

TEST(PtHardening, ContradictoryStoragesAndKeysAreRefused) {
  const std::string data(24, '\0');
  expect_zip_refused("](" + tensor_pickle(6, 0, {1}, {1}) + tensor_pickle(5, 0, {1}, {1}) + "e",
                     data, "contradict each other");
  const std::string tensor = tensor_pickle(6, 0, {1}, {1});
  expect_zip_refused("}(" + unicode("a") + tensor + unicode("a") + tensor + "u", data,
                     "two tensors have the key 'a'");
  expect_zip_refused("}(N" + tensor + "u", data, "neither a text nor an integer");
}

TEST(PtHardening, MalformedPicklesAreRefused) {
  expect_zip_refused("", "", "takes a value from an empty stack");
  expect_zip_refused("\xff", "", "unknown opcode 0xff");
  expect_zip_refused("i", "", "unknown opcode 0x69");
  expect_zip_refused("\x80\x06N", "", "newer than 5");
  expect_zip_refused("K", "", "is cut off");
  expect_zip_refused("X\xff\xff\xff\x7f", "", "is cut off");
  expect_zip_refused("h\x05", "", "that it did not store");
  expect_zip_refused("t", "", "did not begin");
  expect_zip_refused("NNa", "", "no list or dictionary");
  expect_zip_refused("}(Nu", "", "no list or dictionary");
  expect_zip_refused("N(\x85", "", "takes a value from an empty stack");
  expect_zip_refused("N)R", "", "not callable");
  expect_zip_refused(kFloatStorage + ")R", "", "calls 'torch FloatStorage'");
  expect_zip_refused("]Nb", "", "no dictionary");
  expect_zip_refused("NQ", "", "no tuple");
  expect_zip_refused(")Q", "", "unknown form");
  expect_zip_refused(kRebuild + ")R", "", "described in an unknown form");
}

TEST(PtHardening, CyclesDepthAndRepetitionEnd) {
  expect_zip_refused(
      "]q\x01h\x01"
      "a",
      "", "nested over 64 levels");
  expect_zip_refused(std::string(500'000, ']') + std::string(499'999, 'a'), "",
                     "nested over 64 levels");
  // Thirty lists, each of ten times the one before: 10^30 paths to the innermost.
  std::string laughs = "]q";
  laughs += '\0';
  for (int level = 1; level <= 30; ++level) {
    laughs += "](";
    for (int i = 0; i < 10; ++i) {
      laughs += std::string("h") + static_cast<char>(level - 1);
    }
    laughs += std::string("eq") + static_cast<char>(level);
  }
  expect_zip_refused(laughs, "", "are too large");
  expect_zip_refused(std::string(2'000'001, 'N'), "", "over 2000000 values");
}

// A memoised tuple or list of many items that calls take again and again: each would copy it.
TEST(PtHardening, CopiesOfOneCollectionAreRefused) {
  const auto many = [](const std::string& item, char opcode) {
    std::string items = opcode == 't' ? "(" : "](";
    for (int i = 0; i < 2000; ++i) items += item;
    return items + opcode + "q\x01" + "0";
  };
  const auto repeated = [](const std::string& call, int times) {
    std::string calls;
    for (int i = 0; i < times; ++i) calls += call;
    return calls;
  };
  const std::string tuple_of_many = many("N", 't');
  expect_zip_refused(tuple_of_many + "h\x01Q", "", "persistent id of more than 6 items");
  expect_zip_refused(tuple_of_many + kRebuild + "h\x01R", "",
                     "calls 'torch._utils _rebuild_tensor_v2' with arguments that do not fit");
  const std::string ordered_dict = "ccollections\nOrderedDict\nh\x01\x85R0";
  const std::string pairs = "K\x01K\x01\x86q\x02" + many("h\x02", 'e');
  expect_zip_refused(pairs + repeated(ordered_dict, 20), "", "repeats its lists");
  expect_zip_refused(pairs + repeated("](h\x01h\x01h\x01"
                                      "e0",
                                      20),
                     "", "holds no tensor");
}

}  // namespace
}  // namespace echopath::io
