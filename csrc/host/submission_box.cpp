#include "host/submission_box.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace geopt::host {
namespace {

void read_vector(json::Cursor& cursor, Vector& out) {
  out = Vector();
  out.given = true;
  if (cursor.peek() != '[') return cursor.skip();
  out.is_list = true;
  cursor.array([&](json::Cursor& inner) {
    double value = 0;
    if (inner.number_is_next()) {
      const json::Number number = inner.number();
      value = number.value;
      // Python integers of more than 64 bits are no numbers to NumPy
      if (number.is_integer && (value >= 18446744073709551616.0 || value < -9223372036854775808.0)) {
        out.all_numbers = false;
      }
    } else if (inner.take_literal("true")) {
      value = 1;
    } else if (!inner.take_literal("false")) {
      inner.skip();
      value = std::nan("");
      out.all_numbers = false;
    }
    out.has_nan |= std::isnan(value);
    if (out.length < out.values.size()) out.values[out.length] = value;
    ++out.length;
  });
}

void read_scalar(json::Cursor& cursor, Scalar& out) {
  out.kind = Scalar::OTHER;
  const char* begin = cursor.at();
  if (cursor.peek() == '"') {
    out.kind = Scalar::TEXT;
    out.text = cursor.text();
  } else if (cursor.number_is_next()) {
    cursor.peek();
    begin = cursor.at();
    const json::Number number = cursor.number();
    out.kind = Scalar::NUMBER;
    out.value = number.value;
    out.is_integer = number.is_integer;
    out.text.assign(begin, cursor.at());
  } else if (cursor.take_literal("true") || cursor.take_literal("false")) {
    out.kind = Scalar::NUMBER;
    out.value = cursor.at()[-2] == 'u' ? 1 : 0;  // the u of true
    out.is_integer = true;
    out.text = out.value == 1 ? "1" : "0";
  } else {
    cursor.peek();
    begin = cursor.at();
    cursor.skip();
    out.text.assign(begin, cursor.at());
  }
}

void need_vector(const Vector& got, const char* key, std::size_t length, bool nan_allowed) {
  if (got.given && got.is_list && got.length == length && (nan_allowed || (got.all_numbers && !got.has_nan))) return;
  const std::string name = std::string("'") + key + "'";
  if (!got.given) throw Refused("has no " + name + "; add it");
  const std::string must = name + " must be " + std::to_string(length) + " numbers";
  if (!got.is_list) throw Refused(must + ", got no list");
  if (got.length != length) throw Refused(must + ", got " + std::to_string(got.length));
  if (!got.all_numbers) throw Refused(must + ", got something else among them");
  throw Refused(name + " must not hold NaN; drop the box");
}

std::string shown(const Scalar& got) { return got.kind == Scalar::TEXT ? "'" + got.text + "'" : got.text; }

std::int64_t need_name(const Scalar& got, const char* key, const Names& known, const char* which) {
  if (got.kind == Scalar::MISSING) throw Refused(std::string("has no '") + key + "'; add it");
  const auto found = got.kind == Scalar::TEXT ? known.find(got.text) : known.end();
  if (found == known.end()) throw Refused(std::string("'") + key + "' must be " + which + ", got " + shown(got));
  return found->second;
}

}  // namespace

void parse_box(json::Cursor& cursor, const Task& task, Box& box) {
  if (cursor.peek() != '{') {
    cursor.skip();
    throw Refused("must be an object with the keys of a box");
  }
  cursor.object([&](json::Cursor& inner, std::string_view key) {
    if (key == "translation") return read_vector(inner, box.translation);
    if (key == "size") return read_vector(inner, box.size);
    if (key == "rotation") return read_vector(inner, box.rotation);
    if (key == "velocity") return read_vector(inner, box.velocity);
    if (key == "ego_translation") return read_vector(inner, box.ego_translation);
    if (key == "sample_token") return read_scalar(inner, box.sample_token);
    if (key == "num_pts") return read_scalar(inner, box.num_pts);
    if (key == (task.tracking ? "tracking_name" : "detection_name")) return read_scalar(inner, box.name);
    if (key == (task.tracking ? "tracking_score" : "detection_score")) return read_scalar(inner, box.score);
    if (key == "attribute_name" && !task.tracking) return read_scalar(inner, box.attribute);
    if (key == "tracking_id" && task.tracking) return read_scalar(inner, box.track);
    inner.skip();
  });
}

std::string track_key(const Scalar& got) {
  if (got.kind == Scalar::TEXT) return "t" + got.text;
  if (got.kind != Scalar::NUMBER) return "o" + got.text;
  if (got.is_integer) return "n" + (got.text == "-0" ? "0" : got.text);
  if (std::abs(got.value) < 9e15 && got.value == std::floor(got.value)) {
    return "n" + std::to_string(static_cast<std::int64_t>(got.value));
  }
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "n%.17g", got.value);
  return buffer;
}

void check_box(const Box& box, const Task& task, const Place& place, std::size_t row, const Columns& out,
               std::optional<Deferred>& ask) {
  const char* score_key = task.tracking ? "tracking_score" : "detection_score";
  if (box.sample_token.kind != Scalar::TEXT) {
    throw Refused(box.sample_token.kind == Scalar::MISSING ? "has no 'sample_token'; add it"
                                                           : "'sample_token' must be text");
  }
  need_vector(box.translation, "translation", 3, false);
  need_vector(box.size, "size", 3, false);
  need_vector(box.rotation, "rotation", 4, false);
  need_vector(box.velocity, "velocity", 2, true);
  if (box.ego_translation.given) need_vector(box.ego_translation, "ego_translation", 3, false);

  std::int64_t num_pts = -1;
  if (box.num_pts.kind == Scalar::NUMBER) {
    if (!box.num_pts.is_integer && !std::isfinite(box.num_pts.value)) {
      throw Refused("'num_pts' must be a finite number, got " + box.num_pts.text);
    }
    num_pts = static_cast<std::int64_t>(std::trunc(std::clamp(box.num_pts.value, -9e18, 9e18)));
  } else if (box.num_pts.kind == Scalar::TEXT) {
    ask = Deferred{0, 0, row, false, box.num_pts.text};
  } else if (box.num_pts.kind == Scalar::OTHER) {
    throw Refused("'num_pts' must be a number, got " + box.num_pts.text);
  }
  const std::int64_t label = task.tracking
                                 ? need_name(box.name, "tracking_name", task.classes, "one of the 7 tracking classes")
                                 : need_name(box.name, "detection_name", task.classes, "one of the 10 detection classes");
  if (task.tracking && box.track.kind == Scalar::MISSING) throw Refused("has no 'tracking_id'; add it");
  if (task.tracking && (box.track.text[0] == '[' || box.track.text[0] == '{') && box.track.kind == Scalar::OTHER) {
    throw Refused("'tracking_id' must be text or a number, got " + box.track.text);
  }
  double score = -1;
  if (box.score.kind == Scalar::NUMBER) {
    score = box.score.value;
    if (std::isnan(score)) throw Refused(std::string("'") + score_key + "' must not be NaN; drop the box");
    if (box.score.is_integer && std::isinf(score)) throw Refused(std::string("'") + score_key + "' is too large");
  } else if (box.score.kind == Scalar::TEXT) {
    ask = Deferred{0, 0, row, true, box.score.text};
  } else if (box.score.kind == Scalar::OTHER) {
    throw Refused(std::string("'") + score_key + "' must be a number, got " + box.score.text);
  }
  std::int64_t attribute = -1;
  if (!task.tracking && (box.attribute.kind != Scalar::TEXT || !box.attribute.text.empty())) {
    attribute = need_name(box.attribute, "attribute_name", task.attributes, "'' or one of the 8 attributes");
  }
  out.sample[row] = out.named_sample[row] = place.row;
  if (box.sample_token.text != place.token) {
    const auto named = task.samples.find(box.sample_token.text);
    out.named_sample[row] = named == task.samples.end() ? -1 : static_cast<std::int32_t>(named->second);
  }
  std::copy_n(box.translation.values.begin(), 3, out.translation + 3 * row);
  std::copy_n(box.size.values.begin(), 3, out.size + 3 * row);
  std::copy_n(box.rotation.values.begin(), 4, out.rotation + 4 * row);
  std::copy_n(box.velocity.values.begin(), 2, out.velocity + 2 * row);
  out.velocity_known[row] = box.velocity.all_numbers;
  out.score[row] = score;
  out.num_pts[row] = num_pts;
  out.label[row] = static_cast<std::int16_t>(label);
  out.attribute[row] = static_cast<std::int16_t>(attribute);
}

}  // namespace geopt::host
