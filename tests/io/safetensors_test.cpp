#include "echopath/io/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::io {
namespace {

const fs::path kReference =
    fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/safetensors/reference.safetensors";

/// What tests/fixtures/safetensors/make.py stores.
TensorMap reference_tensors() {
  TensorMap tensors;
  tensors["double"] = at::tensor({0.5, -2.0}, at::kDouble).reshape({1, 2});
  tensors["float"] = at::arange(6, at::kFloat).reshape({2, 3}) / 4;
  tensors["half"] = at::tensor({1.0, -0.25, 65504.0}, at::kFloat).to(at::kHalf);
  tensors["bfloat"] = at::tensor({3.0, -1.5}, at::kFloat).to(at::kBFloat16);
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

/// A file of a header text, its length in front, and data.
fs::path make_file(const TemporaryDirectory& folder, const std::string& header,
                   const std::string& data) {
  const std::uint64_t length = header.size();
  std::string content(8, '\0');
  std::memcpy(content.data(), &length, 8);
  write_file(folder / "x.safetensors", content + header + data);
  return folder / "x.safetensors";
}

std::string item(const std::string& name, const std::string& dtype, const std::string& shape,
                 const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}

void expect_refused(const std::string& header, const std::string& data, const std::string& part) {
  const TemporaryDirectory folder;
  const fs::path path = make_file(folder, header, data);
  SCOPED_TRACE(header);
  expect_error<DataError>([&] { SafetensorsFile file(path); }, part);
  expect_error<DataError>([&] { SafetensorsFile file(path); }, "'" + path.string() + "'");
}

TEST(Safetensors, ReadsEveryDtypeOfTheReferenceImplementation) {
  const SafetensorsFile file(kReference);
  expect_equal(file.all(), reference_tensors());
  expect_equal(load_safetensors(kReference), reference_tensors());
  EXPECT_EQ(file.metadata(), (Metadata{{"note", "naïve \"quotes\""}}));
  EXPECT_EQ(file.shape("float"), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(file.dtype("bfloat"), at::kBFloat16);
  EXPECT_EQ(file.names().front(), "bfloat");
  EXPECT_TRUE(file.contains("long"));
  EXPECT_FALSE(file.contains("lon"));
}

TEST(Safetensors, WritesTheBytesOfTheReferenceImplementation) {
  const TemporaryDirectory folder;
  save_safetensors(folder / "a.safetensors", reference_tensors(), {{"note", "naïve \"quotes\""}});
  EXPECT_EQ(read_file(folder / "a.safetensors"), read_file(kReference));
}

TEST(Safetensors, KeepsViewsTransposesAndEmptyFiles) {
  const TemporaryDirectory folder;
  const at::Tensor x = at::arange(24, at::kFloat).reshape({2, 3, 4});
  save_safetensors(folder / "v", {{"t", x.transpose(0, 2)}, {"s", x.select(1, 1)}});
  expect_equal(load_safetensors(folder / "v"),
               {{"t", x.transpose(0, 2).contiguous()}, {"s", x.select(1, 1).contiguous()}});
  save_safetensors(folder / "none", {}, {{"k", "v"}});
  const SafetensorsFile none(folder / "none");
  EXPECT_TRUE(none.names().empty());
  EXPECT_EQ(none.metadata(), (Metadata{{"k", "v"}}));
}

TEST(Safetensors, TensorOutlivesTheFileAndWritesStayPrivate) {
  const TemporaryDirectory folder;
  save_safetensors(folder / "x", {{"a", at::ones({1000}, at::kFloat)}});
  at::Tensor tensor = SafetensorsFile(folder / "x").tensor("a");
  fs::remove(folder / "x");
  EXPECT_EQ(tensor.sum().item<float>(), 1000.0F);
  tensor.fill_(2);
  EXPECT_EQ(tensor.sum().item<float>(), 2000.0F);
}

TEST(Safetensors, WritingToATensorDoesNotReachTheFile) {
  const TemporaryDirectory folder;
  save_safetensors(folder / "x", {{"a", at::ones({4}, at::kFloat)}});
  SafetensorsFile(folder / "x").tensor("a").fill_(5);
  EXPECT_EQ(SafetensorsFile(folder / "x").tensor("a").sum().item<float>(), 4.0F);
}

TEST(Safetensors, AForgottenTensorComesBackFromTheFile) {
  const TemporaryDirectory folder;
  const at::Tensor numbers = at::arange(100'000, at::kFloat);
  save_safetensors(folder / "x.safetensors", {{"a", numbers}, {"b", numbers + 1}});
  const SafetensorsFile file(folder / "x.safetensors");
  const at::Tensor changed = file.tensor("b");
  file.tensor("a").fill_(7);
  changed.fill_(7);
  file.forget("a");
  EXPECT_EQ(file.tensor("a")[50'000].item<float>(), 50'000.0F);
  EXPECT_EQ(changed.min().item<float>(), 7.0F);  // its neighbour's pages are not touched
  expect_error<DataError>([&] { file.forget("c"); }, "no tensor 'c'");
}

TEST(Safetensors, EntriesMayComeInAnyOrderAndUnaligned) {
  const TemporaryDirectory folder;
  const float value = 1.5F;
  std::string data = "\x05";
  data.append(reinterpret_cast<const char*>(&value), 4);
  // One byte of "b" pushes the float "a" to an odd place.
  const fs::path path = make_file(
      folder, "{" + item("a", "F32", "1", "1,5") + "," + item("b", "U8", "1", "0,1") + "}  ", data);
  const SafetensorsFile file(path);
  EXPECT_EQ(file.tensor("a").item<float>(), 1.5F);
  EXPECT_EQ(file.tensor("b").item<int>(), 5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.tensor("a").data_ptr()) % 4, 0U);
}

TEST(Safetensors, NamesTheNearestTensorWhereOneIsAbsent) {
  const SafetensorsFile file(kReference);
  expect_error<DataError>([&] { file.tensor("flaot"); },
                          "has no tensor 'flaot'; did you mean 'float'?");
}

TEST(SafetensorsHardening, LengthIsCheckedAgainstTheFile) {
  const TemporaryDirectory folder;
  write_file(folder / "x", "1234567");
  expect_error<DataError>([&] { SafetensorsFile file(folder / "x"); }, "at least 8 bytes");
  write_file(folder / "x", std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}", 10));
  expect_error<DataError>([&] { SafetensorsFile file(folder / "x"); },
                          "claims 9223372036854775807 bytes");
  write_file(folder / "x", std::string("\x03\0\0\0\0\0\0\0{}", 10));
  expect_error<DataError>([&] { SafetensorsFile file(folder / "x"); }, "claims 3 bytes");
  write_file(folder / "x", "");
  expect_error<DataError>([&] { SafetensorsFile file(folder / "x"); }, "has 0");
  expect_error<DataError>([&] { SafetensorsFile file(folder / "no"); }, "No such file");
  expect_error<DataError>([&] { SafetensorsFile file(folder.path()); }, "Is a directory");
}

TEST(SafetensorsHardening, HeaderOverTheFormatsLimitIsRefused) {
  const TemporaryDirectory folder;
  const std::uint64_t length = 100'000'001;
  std::string head(8, '\0');
  std::memcpy(head.data(), &length, 8);
  write_file(folder / "x", head);
  fs::resize_file(folder / "x", 8 + length);
  expect_error<DataError>([&] { SafetensorsFile file(folder / "x"); }, "100000000 are allowed");
}

TEST(SafetensorsHardening, HeaderMustBeTheFormatsJson) {
  expect_refused("", "", "does not start with '{'");
  expect_refused(" {}", "", "does not start with '{'");
  expect_refused("{", "", "not valid JSON");
  expect_refused("{}x", "", "not valid JSON");
  expect_refused("{\"\xFF\":1}", "", "not valid JSON");
  expect_refused("{\"a\":1}", "", "has a number where it may not stand, at key 'a'");
  expect_refused("{\"a\":[1]}", "", "has a list where it may not stand");
  expect_refused("{\"a\":null}", "", "has null where");
  expect_refused("{\"__metadata__\":{\"a\":1}}", "", "has a number where");
  expect_refused("{\"__metadata__\":{\"a\":{}}}", "", "has an object where");
  expect_refused("{\"__metadata__\":\"a\"}", "", "has a text where");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", "", "lacks dtype, shape or");
  expect_refused("{\"a\":{}}", "", "lacks dtype, shape or");
  expect_refused("{\"a\":{\"strides\":[]}}", "", "unknown key 'strides' in tensor 'a'");
  expect_refused("{" + item("a", "F32", "-1", "0,4") + "}", "1234", "has a negative number");
  expect_refused("{" + item("a", "F32", "1.0", "0,4") + "}", "1234", "not a 64-bit integer");
  expect_refused("{" + item("a", "F32", "[1]", "0,4") + "}", "1234", "has a list where");
  expect_refused("{" + item("a", "F32", "1", "0,4,8") + "}", "1234", "too many numbers");
  expect_refused("{" + item("a", "F32", "1", "0") + "}", "1234", "lacks dtype, shape or");
  expect_refused(std::string(100000, '{'), "", "not valid JSON");
  expect_refused("{\"a\":" + std::string(100000, '['), "", "has a list where");
}

TEST(SafetensorsHardening, DuplicateNamesAreRefused) {
  const std::string once = item("a", "U8", "1", "0,1");
  expect_refused("{" + once + "," + item("a", "U8", "1", "1,2") + "}", "12",
                 "has the key 'a' twice");
  expect_refused("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", "", "has the key 'dtype' twice");
  expect_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "", "has the key 'k' twice");
  expect_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "", "twice");
}

TEST(SafetensorsHardening, UnknownDtypesAreRefusedByName) {
  expect_refused("{" + item("a", "F8_E4M3", "1", "0,1") + "}", "1",
                 "tensor 'a': dtype 'F8_E4M3' is not supported; supported are I64, F64, F32");
  expect_refused("{" + item("a", "f32", "1", "0,4") + "}", "1234", "dtype 'f32'");
}

TEST(SafetensorsHardening, SizesMustFitWithoutOverflow) {
  expect_refused("{" + item("a", "F32", "2", "0,4") + "}", "1234", "needs 8 bytes");
  expect_refused("{" + item("a", "F32", "1", "0,8") + "}", "1234", "outside the 4 bytes of data");
  expect_refused("{" + item("a", "F32", "1", "4,0") + "}", "1234", "outside the 4 bytes of data");
  // 2^32 · 2^32 is 0 in 64 bits.
  expect_refused("{" + item("a", "F32", "4294967296,4294967296", "0,0") + "}", "",
                 "overflows 64-bit sizes");
  expect_refused("{" + item("a", "U8", "0,9223372036854775807,4", "0,0") + "}", "",
                 "overflows 64-bit sizes");
  expect_refused("{" + item("a", "U8", "18446744073709551615", "0,0") + "}", "",
                 "overflows 64-bit sizes");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) {
    many += ",1";
  }
  expect_refused("{" + item("a", "U8", many, "0,1") + "}", "1", "too many numbers in 'shape'");
}

TEST(SafetensorsHardening, TensorsMustTileTheDataExactly) {
  const std::string first = item("a", "U8", "2", "0,2");
  expect_refused("{" + first + "," + item("b", "U8", "2", "1,3") + "}", "123",
                 "tensor 'b' overlaps another tensor");
  expect_refused("{" + item("b", "U8", "2", "3,5") + "," + first + "}", "12345",
                 "tensor 'b' leaves a hole before it");
  expect_refused("{" + item("b", "U8", "2", "1,3") + "}", "123", "leaves a hole");
  expect_refused("{" + first + "}", "123", "1 bytes at the end belong to no tensor");
  expect_refused("{" + first + "," + item("e", "U8", "0", "1,1") + "}", "12",
                 "overlaps another tensor");
}

TEST(Safetensors, RefusesWhatCannotBeReadBack) {
  const TemporaryDirectory folder;
  const fs::path path = folder / "x";
  expect_error<DataError>(
      [&] {
        save_safetensors(path, {{"c", at::zeros({1}, at::kComplexFloat)}});
      },
      "tensor 'c' of dtype ComplexFloat");
  expect_error<DataError>(
      [&] {
        save_safetensors(path, {{"__metadata__", at::zeros({1})}});
      },
      "'__metadata__'");
  expect_error<DataError>([&] { save_safetensors(path, {{"\xFF", at::zeros({1})}}); }, "not UTF-8");
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace echopath::io
