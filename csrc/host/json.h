// A strict reader of JSON text as Python's json module reads it: NaN, Infinity and -Infinity are numbers, nothing else
// departs from RFC 8259, and text must be valid UTF-8. The caller walks the text; no tree is built.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace geopt::host::json {

struct SyntaxError : std::runtime_error {
  SyntaxError(const std::string& what, const char* where) : std::runtime_error(what), at(where) {}
  const char* at;
};

struct Number {
  double value;
  bool is_integer;  // written without point and exponent
};

class Cursor {
 public:
  Cursor(const char* begin, const char* end) : at_(begin), end_(end) {}

  const char* at() const { return at_; }
  bool done() const { return at_ == end_; }

  // The next character that is no white space, 0 at the end of the text.
  char peek() {
    while (at_ != end_ && is_space(*at_)) ++at_;
    return at_ == end_ ? '\0' : *at_;
  }
  // Consumes `wanted` if it is next.
  bool take(char wanted) {
    if (peek() != wanted || at_ == end_) return false;
    ++at_;
    return true;
  }
  void expect(char wanted, const char* meaning) {
    if (!take(wanted)) fail_to_find(meaning);
  }
  // Fails unless only white space is left.
  void finish();

  // Each reads the value that is next and fails if it is of another kind. Text is valid until the next call.
  std::string_view text();
  Number number();
  // Literals: true, false, null. False if none of them is next.
  bool take_literal(const char* literal);
  bool number_is_next();

  // Calls `element(cursor)` before each element, which must consume it.
  template <class Element>
  void array(Element&& element);
  // Calls `member(cursor, key)` before each value, which must consume it; the key is valid until the cursor reads on.
  template <class Member>
  void object(Member&& member);

  // Reads a value of any kind and checks that it is valid.
  void skip();
  // Goes behind a value in a fast way: right for valid JSON, anywhere or a failure for other text.
  // `num_elements` becomes the number of elements of an array.
  void skim(std::size_t* num_elements = nullptr);

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_to_find(const char* meaning) const;
  void enter();
  void leave() { --depth_; }
  void skim_text();
  std::string_view text_with_escapes(const char* begin);

  const char* at_;
  const char* end_;
  int depth_ = 0;
  std::string decoded_;
};

template <class Element>
void Cursor::array(Element&& element) {
  expect('[', "an array");
  enter();
  if (!take(']')) {
    do {
      element(*this);
    } while (take(','));
    expect(']', "',' or ']'");
  }
  leave();
}

template <class Member>
void Cursor::object(Member&& member) {
  expect('{', "an object");
  enter();
  if (!take('}')) {
    do {
      if (peek() != '"') fail("expected a key in double quotes");
      const std::string_view key = text();
      expect(':', "':' behind a key");
      member(*this, key);
    } while (take(','));
    expect('}', "',' or '}'");
  }
  leave();
}

}  // namespace geopt::host::json
