// One box of a submission: its JSON, the official checks, and its row in the columns.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "host/json.h"

namespace geopt::host {

// The official code does not take it; says why and what to do.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a box says under one key. Keys may come twice: the last one counts, as in Python.
struct Vector {
  bool given = false, is_list = false, all_numbers = true, has_nan = false;
  std::size_t length = 0;
  std::array<double, 4> values{};
};
struct Scalar {
  enum Kind { MISSING, NUMBER, TEXT, OTHER } kind = MISSING;
  double value = 0;
  bool is_integer = false;
  std::string text;
};

struct Box {
  Vector translation, size, rotation, velocity, ego_translation;
  Scalar sample_token, name, score, num_pts, attribute, track;

  // Forgets all values but keeps the memory of the texts.
  void clear() {
    for (Vector* vector : {&translation, &size, &rotation, &velocity, &ego_translation}) vector->given = false;
    for (Scalar* scalar : {&sample_token, &name, &score, &num_pts, &attribute, &track}) scalar->kind = Scalar::MISSING;
  }
};

using Names = std::unordered_map<std::string, std::int64_t>;

// The keys and values that a task knows.
struct Task {
  bool tracking;
  Names classes, attributes, samples;
  bool skip_other_samples;
  std::size_t max_boxes;
};

// Where the rows are written.
struct Columns {
  std::int32_t *sample, *named_sample;
  double *translation, *size, *rotation, *velocity, *score;
  std::int16_t *label, *attribute;
  std::int64_t* num_pts;
  bool* velocity_known;
};

// Text where a number should be: Python may still find one in it ("0.5", " 1_0 "), so Python is asked later.
struct Deferred {
  std::size_t sample, box, row;
  bool is_score;
  std::string text;
};

// Where the boxes of a sample lie in the text, and in the columns.
struct Place {
  std::string token;
  const char *begin, *end;
  std::int32_t row;
  std::size_t first_box, num_boxes;
};

// Reads the keys that the task knows; everything else must only be valid JSON.
void parse_box(json::Cursor& cursor, const Task& task, Box& box);

// Text that is the same for two ids exactly where Python takes them for the same key of a dict.
std::string track_key(const Scalar& got);

// Checks a box as the official code does and writes its row; `ask` becomes what Python must say of it.
void check_box(const Box& box, const Task& task, const Place& place, std::size_t row, const Columns& out,
               std::optional<Deferred>& ask);

}  // namespace geopt::host
