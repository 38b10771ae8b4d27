// The readers of csrc/host that need no Python, on whole and on damaged input; the assignments beside all permutations.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "host/assignment.h"
#include "host/crc32c.h"
#include "host/json.h"
#include "host/mapped_file.h"
#include "host/submission_box.h"
#include "host/waymo_assignment.h"
#include "host/waymo_wire.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

using host::waymo::Message;
using host::waymo::Wire;

// The same text with bits turned, pieces left out or said twice, or cut off.
std::string damaged(std::string text, Random& random) {
  for (int64_t times = 1 + random.below(3); times > 0 && !text.empty(); --times) {
    const auto at = static_cast<size_t>(random.below(static_cast<int64_t>(text.size())));
    const auto length = static_cast<size_t>(random.below(9));
    switch (random.below(5)) {
      case 0: text[at] = static_cast<char>(text[at] ^ (1 << random.below(8))); break;
      case 1: text[at] = "{}[]\",:\\-+.eE0 \xff\xed\x80"[random.below(18)]; break;
      case 2: text.erase(at, length); break;
      case 3: text.insert(at, text.substr(at, length)); break;
      default: text.resize(at);
    }
  }
  return text;
}

// Where a reader stands at the end of a value, or nothing if the text is none.
template <class Read>
std::optional<int64_t> end_of_value(const Buffer<char>& text, const Read& read) {
  host::json::Cursor cursor(text.begin(), text.end());
  try {
    read(cursor);
    return cursor.at() - text.begin();
  } catch (const host::json::SyntaxError& error) {
    CHECK(text.begin() <= error.at && error.at <= text.end());
    return {};
  }
}

std::optional<int64_t> end_of_value(const Buffer<char>& text) {
  return end_of_value(text, [](host::json::Cursor& cursor) { cursor.skip(); });
}

constexpr char kBox[] =
    R"({"sample_token": "aé", "translation": [1.5, -2e3, 0.0], "size": [4, 2, 1.5], "rotation": [1, 0, 0, 0],)"
    R"( "velocity": [0.1, NaN], "detection_name": "car", "detection_score": 0.25, "attribute_name": "", "num_pts": 7,)"
    R"( "more": {"a": [true, false, null, "\ud83d\ude00\n", 1E-400, 123456789012345678901234567890]}})";

void test_json_values() {
  for (const char* const whole : {"0", "-0.5e+3", "\"\"", "[]", "{}", "NaN", "-Infinity", "[[], {\"a\": [1, 2]}]", kBox}) {
    set_case(std::string("JSON ") + whole);
    const auto text = Buffer<char>::of(std::string(whole));
    const auto end = end_of_value(text);
    CHECK(end == text.size());
    CHECK(end == end_of_value(text, [](host::json::Cursor& cursor) { cursor.skim(); }));
  }
  for (const char* const none : {"", "-", "01x", "\"", "\"\\", "\"\\u12", "\"\xc3", "[1,", "{\"a\"", "{\"a\":", "nul", "1e", "{1: 2}"}) {
    set_case(std::string("JSON ") + none);
    const auto text = Buffer<char>::of(std::string(none));
    CHECK(end_of_value(text) != text.size());
  }
  set_case("JSON nested too deep");
  const auto deep = Buffer<char>::of(std::string(100000, '['));
  CHECK(!end_of_value(deep));
}

// Reads a box; false where the text or the box is refused.
bool reads_box(const Buffer<char>& text, const host::Task& task) {
  host::Box box;
  host::json::Cursor cursor(text.begin(), text.end());
  int32_t sample, named_sample;
  double translation[3], size[3], rotation[4], velocity[2], score;
  int16_t label, attribute;
  int64_t num_pts;
  bool velocity_known;
  const host::Columns columns{&sample, &named_sample, translation, size,     rotation,       velocity,
                              &score,  &label,        &attribute,  &num_pts, &velocity_known};
  std::optional<host::Deferred> ask;
  try {
    host::parse_box(cursor, task, box);
    host::check_box(box, task, {"aé", text.begin(), text.end(), 3, 0, 1}, 0, columns, ask);
  } catch (const host::json::SyntaxError&) {
    return false;
  } catch (const host::Refused&) {
    return false;
  }
  CHECK(sample == 3 && label == 5 && std::isfinite(translation[0]));
  return true;
}

void test_damaged_json() {
  const host::Task task{false, {{"car", 5}}, {{"", -1}}, {{"aé", 3}}, false, 500};
  set_case("JSON of a box");
  CHECK(reads_box(Buffer<char>::of(std::string(kBox)), task));
  Random random(17);
  int64_t num_refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string changed = damaged(kBox, random);
    set_case("damaged JSON " + changed);
    const auto text = Buffer<char>::of(changed);
    const auto end = end_of_value(text);
    const auto skimmed = end_of_value(text, [](host::json::Cursor& cursor) { cursor.skim(); });
    if (end == text.size()) CHECK(skimmed == end);
    num_refused += !reads_box(text, task);
  }
  set_case("damaged JSON");
  CHECK(num_refused > 5000);
}

void test_crc() {
  set_case("CRC-32C");
  CHECK(host::crc32c("123456789", 9) == 0xe3069283u);  // the check value of the standard
  Random random(5);
  for (int64_t size = 0; size < 70; ++size) {
    Buffer<char> text(size);
    for (int64_t i = 0; i < size; ++i) text[i] = static_cast<char>(random.bits());
    uint32_t crc = ~uint32_t{0};
    for (const char c : text) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    CHECK(host::crc32c(text.data(), static_cast<size_t>(size)) == ~crc);
  }
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string field(uint32_t number, Wire wire, const std::string& content) {
  return varint(uint64_t{number} << 3 | static_cast<unsigned>(wire)) + content;
}

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Sums up all numbers in a message and those inside it, three deep.
double sum_of(Message message, int depth) {
  double sum = 0;
  while (message.next()) {
    if (message.is(1, Wire::kVarint)) sum += static_cast<double>(message.number());
    else if (message.is(2, Wire::kFixed64)) sum += message.float64();
    else if (message.is(3, Wire::kFixed32)) sum += message.float32();
    else if (message.is(4, Wire::kBytes) && depth > 0) sum += sum_of(message.message(), depth - 1);
    else if (message.is(5, Wire::kBytes)) sum += static_cast<double>(message.bytes().size());
  }
  return sum;
}

void test_wire() {
  const std::string inner = field(1, Wire::kVarint, varint(300)) + field(9, Wire::kBytes, varint(2) + "xy");
  const std::string whole = field(2, Wire::kFixed64, bytes_of(0.5)) + field(4, Wire::kBytes, varint(inner.size()) + inner) +
                            field(3, Wire::kFixed32, bytes_of(2.25f)) + field(5, Wire::kBytes, varint(3) + "abc") +
                            field(1, Wire::kVarint, varint(~uint64_t{0} >> 12));
  set_case("wire format");
  const auto text = Buffer<char>::of(whole);
  CHECK(sum_of(Message(text.begin(), text.begin(), text.end()), 3) == 0.5 + 300 + 2.25 + 3 + 4503599627370495.0);
  Random random(23);
  int64_t num_refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto changed = Buffer<char>::of(damaged(whole, random));
    try {
      sum_of(Message(changed.begin(), changed.begin(), changed.end()), 3);
    } catch (const host::waymo::Damaged&) {
      ++num_refused;
    }
  }
  CHECK(num_refused > 1000);
}

void test_mapped_file() {
  set_case("mapped file");
  const std::string name = std::filesystem::temp_directory_path() / ("geopt_test_" + std::to_string(getpid()));
  const int file = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  const std::string content(10000, 'x');
  CHECK(file >= 0 && write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  {
    const host::MappedFile mapped(name);
    CHECK(std::string(mapped.begin(), mapped.end()) == content);
    mapped.forget(mapped.begin(), mapped.end());
    CHECK(std::string(mapped.begin(), mapped.end()) == content);
  }
  CHECK(ftruncate(file, 0) == 0);
  const host::MappedFile empty(name);
  CHECK(empty.begin() == empty.end());
  close(file);
  std::remove(name.c_str());
  bool is_refused = false;
  try {
    host::MappedFile missing(name);
  } catch (const std::system_error&) {
    is_refused = true;
  }
  CHECK(is_refused);
}

// The least (or, with `sign` -1, greatest) total of any assignment of the shorter side.
template <class T>
T best_total(const Buffer<T>& cost, int64_t rows, int64_t cols, T sign) {
  const int64_t longer = std::max(rows, cols), shorter = std::min(rows, cols);
  std::vector<int64_t> at(longer);
  std::iota(at.begin(), at.end(), int64_t{0});
  T best = std::numeric_limits<T>::max();
  do {
    T total = 0;
    for (int64_t i = 0; i < shorter; ++i) total += sign * (rows <= cols ? cost[i * cols + at[i]] : cost[at[i] * cols + i]);
    best = std::min(best, total);
  } while (std::next_permutation(at.begin(), at.end()));
  return sign * best;
}

void test_assignments() {
  set_case("assignment");
  Random random(31);
  host::Assignment cheapest;
  host::waymo::Assignment heaviest;
  for (int i = 0; i < 400; ++i) {
    const int64_t rows = random.below(6), cols = random.below(6), most = 1 + random.below(6);
    Buffer<double> cost(rows * cols);
    for (int64_t k = 0; k < cost.size(); ++k) cost[k] = static_cast<double>(random.below(most));
    const std::vector<int>& column_of = cheapest.solve(cost.data(), static_cast<int>(rows), static_cast<int>(cols));
    double total = 0;
    for (int64_t row = 0; row < rows && cols > 0; ++row) total += column_of[row] < 0 ? 0 : cost[row * cols + column_of[row]];
    CHECK(rows * cols == 0 || total == best_total(cost, rows, cols, 1.0));

    Buffer<int> weight(rows * rows);
    for (int64_t k = 0; k < weight.size(); ++k) weight[k] = static_cast<int>(random.below(most));
    std::vector<const int*> of_row;
    std::vector<int> greatest;
    for (int64_t row = 0; row < rows; ++row) {
      of_row.push_back(weight.data() + row * rows);
      greatest.push_back(*std::max_element(of_row[row], of_row[row] + rows));
    }
    const std::vector<int>& partner = heaviest.solve(of_row, greatest);
    int sum = 0;
    for (int64_t row = 0; row < rows; ++row) sum += of_row[row][partner[row]];
    CHECK(rows == 0 || sum == best_total(weight, rows, rows, -1));
  }
}

}  // namespace

void test_host() {
  test_json_values();
  test_damaged_json();
  test_crc();
  test_wire();
  test_mapped_file();
  test_assignments();
}

}  // namespace geopt::test
