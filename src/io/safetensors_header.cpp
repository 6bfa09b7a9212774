#include "io/safetensors_header.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::size_t kMaxRank = 64;

struct NamedDtype {
  const char* name;
  at::ScalarType type;
};
/// In the layout order of the reference implementation: wide types first, so that all are aligned.
constexpr std::array<NamedDtype, 10> kDtypes = {{{"I64", at::kLong},
                                                 {"F64", at::kDouble},
                                                 {"F32", at::kFloat},
                                                 {"I32", at::kInt},
                                                 {"BF16", at::kBFloat16},
                                                 {"F16", at::kHalf},
                                                 {"I16", at::kShort},
                                                 {"I8", at::kChar},
                                                 {"U8", at::kByte},
                                                 {"BOOL", at::kBool}}};

/// Takes the parser's events one by one; no document tree is built, and whatever the format does
/// not have is refused where it stands.
class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  HeaderHandler(SafetensorsHeader& header, const std::string& source)
      : header_(header), source_(source) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is not a 64-bit integer");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) {
      return unexpected("a number");
    }
    std::vector<std::uint64_t>& list = place_ == Place::kShape ? entry().shape : entry().offsets;
    if (list.size() == (place_ == Place::kShape ? kMaxRank : 2)) {
      fail("has too many numbers in '" + field_ + "' of tensor " + quoted_text(entry().name));
    }
    list.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[field_] = value;
    } else if (place_ == Place::kEntry && field_ == "dtype") {
      entry().dtype = value;
    } else {
      return unexpected("a text");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = field_ == kMetadataKey ? Place::kMetadata : Place::kEntry;
      fields_.clear();
      if (place_ == Place::kEntry) {
        header_.entries.push_back({field_, {}, {}, {}});
      }
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(string_t& name) override {
    std::set<std::string>& known = place_ == Place::kTop ? names_ : fields_;
    if (!known.insert(name).second) {
      fail("has the key " + quoted_text(name) + " twice");
    }
    if (place_ == Place::kEntry && name != "dtype" && name != "shape" && name != "data_offsets") {
      fail("has the unknown key " + quoted_text(name) + " in tensor " + quoted_text(entry().name));
    }
    field_ = name;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kEntry && (fields_.size() != 3 || entry().offsets.size() != 2)) {
      fail("lacks dtype, shape or the two data_offsets of tensor " + quoted_text(entry().name));
    }
    place_ = place_ == Place::kTop ? Place::kOutside : Place::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry || field_ == "dtype") {
      return unexpected("a list");
    }
    place_ = field_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    place_ = Place::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail("is not valid JSON near byte " + std::to_string(position));
  }

 private:
  enum class Place { kOutside, kTop, kMetadata, kEntry, kShape, kOffsets };

  SafetensorsEntry& entry() { return header_.entries.back(); }

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(source_ + ": the safetensors header " + what);
  }
  bool unexpected(const char* what) const {
    fail(std::string("has ") + what + " where it may not stand" +
         (field_.empty() ? "" : ", at key " + quoted_text(field_)));
  }

  SafetensorsHeader& header_;
  const std::string& source_;
  Place place_ = Place::kOutside;
  std::string field_;
  std::set<std::string> names_;
  std::set<std::string> fields_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& source) {
  if (json.empty() || json.front() != '{') {
    throw DataError(source + ": the safetensors header does not start with '{'");
  }
  SafetensorsHeader header;
  HeaderHandler handler(header, source);
  Json::sax_parse(json.begin(), json.end(), &handler);
  return header;
}

const char* safetensors_dtype_name(at::ScalarType type) {
  for (const NamedDtype& dtype : kDtypes) {
    if (dtype.type == type) {
      return dtype.name;
    }
  }
  return nullptr;
}

at::ScalarType safetensors_dtype(const std::string& name, const std::string& source) {
  std::vector<std::string> known;
  for (const NamedDtype& dtype : kDtypes) {
    if (name == dtype.name) {
      return dtype.type;
    }
    known.emplace_back(dtype.name);
  }
  throw DataError(source + ": dtype " + quoted_text(name) + " is not supported; supported are " +
                  join(known, ", "));
}

int safetensors_layout_rank(at::ScalarType type) {
  int rank = 0;
  while (kDtypes.at(static_cast<std::size_t>(rank)).type != type) {
    ++rank;
  }
  return rank;
}

}  // namespace echopath::io
