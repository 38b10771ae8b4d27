// Messages in the protobuf wire format, read in place with every length checked.
//
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace geopt::host::waymo {

// The text is not the message that it should be; says at which byte of the file.
struct Damaged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroupBegin = 3, kGroupEnd = 4, kFixed32 = 5 };

// Field by field through one message. A field that the caller does not take is skipped.
class Message {
 public:
  Message(const char* file, const char* begin, const char* end) : file_(file), at_(begin), end_(end) {}

  // Goes to the next field; false at the end of the message.
  bool next() {
    if (is_pending_) skip();
    if (at_ == end_) return false;
    field_at_ = at_;
    const uint64_t tag = varint();
    field_ = static_cast<uint32_t>(tag >> 3);
    wire_ = static_cast<Wire>(tag & 7);
    if (tag >> 32 != 0 || field_ == 0 || (tag & 7) > 5 || wire_ == Wire::kGroupEnd) fail(field_at_, "no field begins");
    is_pending_ = true;
    return true;
  }

  // Whether this is the field of that number, in the wire format that it is written in; as in the official parser a
  // field in another format is one that nobody knows.
  bool is(uint32_t field, Wire wire) const { return field_ == field && wire_ == wire; }

  uint64_t number() {
    is_pending_ = false;
    return varint();
  }
  double float64() { return fixed<double>(); }
  float float32() { return fixed<float>(); }

  std::string_view bytes() {
    is_pending_ = false;
    const uint64_t size = varint();
    if (size > static_cast<uint64_t>(end_ - at_)) fail(field_at_, "a field is longer than what holds it");
    const std::string_view found(at_, size);
    at_ += size;
    return found;
  }

  Message message() {
    const std::string_view found = bytes();
    return Message(file_, found.data(), found.data() + found.size());
  }

  bool at_end() const { return at_ == end_; }
  const char* at() const { return at_; }
  const char* end() const { return end_; }
  uint32_t field() const { return field_; }

  // Says that the last field is not what it should be.
  [[noreturn]] void refuse(const char* what) const { fail(field_at_ == nullptr ? at_ : field_at_, what); }

 private:
  [[noreturn]] void fail(const char* at, const char* what) const {
    throw Damaged("byte " + std::to_string(at - file_) + ": " + what);
  }

  uint64_t varint() {
    const char* begin = at_;
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) fail(begin, "a number is cut off");
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift % 64;
      if (byte < 0x80) {
        if (shift == 63 && byte > 1) fail(begin, "a number has more than 64 bits");
        return value;
      }
    }
    fail(begin, "a number has more than 64 bits");
  }

  template <class T>
  T fixed() {
    is_pending_ = false;
    T value;
    jump(sizeof(T));
    std::memcpy(&value, at_ - sizeof(T), sizeof(T));
    return value;
  }

  void jump(std::ptrdiff_t size) {
    if (end_ - at_ < size) fail(field_at_, "a number is cut off");
    at_ += size;
  }

  void skip() {
    is_pending_ = false;
    if (wire_ == Wire::kVarint) varint();
    if (wire_ == Wire::kFixed64) jump(8);
    if (wire_ == Wire::kFixed32) jump(4);
    if (wire_ == Wire::kBytes) bytes();
    if (wire_ == Wire::kGroupBegin) fail(field_at_, "groups are not read");
  }

  const char *file_, *at_, *end_, *field_at_ = nullptr;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  bool is_pending_ = false;
};

}  // namespace geopt::host::waymo
