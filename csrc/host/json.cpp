#include "host/json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace geopt::host::json {
namespace {

constexpr int MAX_DEPTH = 900;  // Python gives up at about a thousand
constexpr double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Bytes of the UTF-8 sequence at `at`, 0 if it is none.
int utf8_length(const char* at, const char* end) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const auto follows = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const std::ptrdiff_t left = end - at;
  if (byte(0) < 0x80) return 1;
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF && left >= 2 && follows(1)) return 2;
  if ((byte(0) & 0xF0) == 0xE0 && left >= 3 && follows(1) && follows(2)) {
    if (byte(0) == 0xE0 && byte(1) < 0xA0) return 0;   // too long a form
    if (byte(0) == 0xED && byte(1) >= 0xA0) return 0;  // a surrogate
    return 3;
  }
  if (byte(0) >= 0xF0 && byte(0) <= 0xF4 && left >= 4 && follows(1) && follows(2) && follows(3)) {
    if (byte(0) == 0xF0 && byte(1) < 0x90) return 0;
    if (byte(0) == 0xF4 && byte(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

void append_utf8(std::string& out, std::uint32_t code) {
  // A lone surrogate is written as three bytes, which no valid UTF-8 text equals.
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool hex4(const char* at, const char* end, std::uint32_t& code) {
  if (end - at < 4) return false;
  code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    const int digit = is_digit(c)             ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  return true;
}

char unescaped(char kind) {
  switch (kind) {
    case '"':
    case '\\':
    case '/':
      return kind;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

}  // namespace

void Cursor::fail(const std::string& what) const { throw SyntaxError(what, at_); }

void Cursor::fail_to_find(const char* meaning) const {
  fail(std::string("expected ") + meaning + (at_ == end_ ? ", but the text ends" : ""));
}

void Cursor::enter() {
  if (++depth_ > MAX_DEPTH) fail("values are nested too deeply");
}

void Cursor::finish() {
  peek();
  if (at_ != end_) fail("there is more text behind the end");
}

std::string_view Cursor::text() {
  expect('"', "text in double quotes");
  const char* begin = at_;
  while (at_ != end_) {
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') return std::string_view(begin, static_cast<std::size_t>(at_++ - begin));
    if (c == '\\') return text_with_escapes(begin);
    if (c < 0x20) fail("text must not hold a control character");
    if (c < 0x80) {
      ++at_;
      continue;
    }
    const int length = utf8_length(at_, end_);
    if (length == 0) fail("text must be UTF-8");
    at_ += length;
  }
  fail("text has no closing quote");
}

std::string_view Cursor::text_with_escapes(const char* begin) {
  decoded_.assign(begin, at_);
  while (at_ != end_) {
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') {
      ++at_;
      return decoded_;
    }
    if (c < 0x20) fail("text must not hold a control character");
    if (c != '\\') {
      const int length = utf8_length(at_, end_);
      if (length == 0) fail("text must be UTF-8");
      decoded_.append(at_, static_cast<std::size_t>(length));
      at_ += length;
      continue;
    }
    if (end_ - at_ < 2) break;
    const char kind = at_[1];
    if (kind == 'u') {
      std::uint32_t code, low;
      if (!hex4(at_ + 2, end_, code)) fail("\\u must have four hexadecimal digits");
      at_ += 6;
      if (code >= 0xD800 && code < 0xDC00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u' &&
          hex4(at_ + 2, end_, low) && low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        at_ += 6;
      }
      append_utf8(decoded_, code);
    } else if (const char plain = unescaped(kind); plain != '\0') {
      decoded_ += plain;
      at_ += 2;
    } else {
      fail("text has an escape that JSON does not know");
    }
  }
  fail("text has no closing quote");
}

bool Cursor::take_literal(const char* literal) {
  peek();
  const std::size_t length = std::strlen(literal);
  if (static_cast<std::size_t>(end_ - at_) < length || std::memcmp(at_, literal, length) != 0) return false;
  at_ += length;
  return true;
}

bool Cursor::number_is_next() {
  const char c = peek();
  return at_ != end_ && (is_digit(c) || c == '-' || c == 'N' || c == 'I');
}

Number Cursor::number() {
  constexpr double INF = std::numeric_limits<double>::infinity();
  const char c = peek();
  if (c == 'N' && take_literal("NaN")) return {std::numeric_limits<double>::quiet_NaN(), false};
  if (c == 'I' && take_literal("Infinity")) return {INF, false};
  if (c == '-' && take_literal("-Infinity")) return {-INF, false};

  const char* begin = at_;
  const bool negative = c == '-';
  if (negative) ++at_;
  if (at_ == end_ || !is_digit(*at_)) fail("expected a value");
  std::uint64_t mantissa = 0;
  int num_digits = 0, exponent = 0;
  const auto digits = [&] {
    for (; at_ != end_ && is_digit(*at_); ++at_) {
      if (num_digits < 19) mantissa = mantissa * 10 + static_cast<unsigned>(*at_ - '0');
      if (mantissa != 0) ++num_digits;
    }
  };
  if (*at_ == '0') {
    ++at_;
  } else {
    digits();
  }
  bool is_integer = true;
  if (end_ - at_ >= 2 && *at_ == '.' && is_digit(at_[1])) {
    is_integer = false;
    const char* point = ++at_;
    digits();
    exponent = -static_cast<int>(std::min<std::ptrdiff_t>(at_ - point, 100000));
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    const char* sign = at_ + 1;
    const bool down = sign != end_ && *sign == '-';
    if (sign != end_ && (*sign == '-' || *sign == '+')) ++sign;
    if (sign != end_ && is_digit(*sign)) {
      is_integer = false;
      int power = 0;
      for (at_ = sign; at_ != end_ && is_digit(*at_); ++at_) {
        if (power < 100000) power = power * 10 + (*at_ - '0');
      }
      exponent += down ? -power : power;
    }
  }
  // A double holds integers of 53 bits and powers up to 1e22 exactly, so that one operation on them rounds rightly.
  if (num_digits <= 15 && exponent >= -22 && exponent <= 22) {
    const auto whole = static_cast<double>(mantissa);
    const double value = exponent < 0 ? whole / POWERS[-exponent] : whole * POWERS[exponent];
    return {negative ? -value : value, is_integer};
  }
  double value = 0;
  const std::from_chars_result found = std::from_chars(begin, at_, value);
  if (found.ec != std::errc()) value = std::strtod(std::string(begin, at_).c_str(), nullptr);  // infinite or tiny
  return {value, is_integer};
}

void Cursor::skip() {
  switch (peek()) {
    case '{':
      object([](Cursor& cursor, std::string_view) { cursor.skip(); });
      return;
    case '[':
      array([](Cursor& cursor) { cursor.skip(); });
      return;
    case '"':
      text();
      return;
    default:
      if (take_literal("true") || take_literal("false") || take_literal("null")) return;
      number();
  }
}

void Cursor::skim_text() {
  ++at_;
  while (true) {
    at_ = static_cast<const char*>(std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_)));
    if (at_ == nullptr) {
      at_ = end_;
      fail("text has no closing quote");
    }
    const char* slash = at_;
    while (slash[-1] == '\\') --slash;  // stops at the opening quote
    if ((at_++ - slash) % 2 == 0) return;
  }
}

void Cursor::skim(std::size_t* num_elements) {
  const char first = peek();
  if (num_elements != nullptr) *num_elements = 0;
  if (first == '"') return skim_text();
  if (first != '[' && first != '{') {
    while (at_ != end_ && !is_space(*at_) && *at_ != ',' && *at_ != ']' && *at_ != '}') ++at_;
    return;
  }
  int depth = 0;
  std::size_t commas = 0;
  bool empty = true;
  while (at_ != end_) {
    const char c = *at_;
    if (c == '"') {
      empty = false;
      skim_text();
      continue;
    }
    ++at_;
    if (c == '[' || c == '{') {
      empty &= depth == 0;
      ++depth;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) {
        if (num_elements != nullptr && first == '[') *num_elements = empty ? 0 : commas + 1;
        return;
      }
    } else if (depth == 1) {
      if (c == ',') ++commas;
      empty &= is_space(c);
    }
  }
  fail("expected ']' or '}', but the text ends");
}

}  // namespace geopt::host::json
