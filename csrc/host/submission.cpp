// Predictions in the nuScenes submission format, from JSON text to columns. The text is walked twice: once for the
// places of the samples, once by all threads for their boxes. No tree of the text is ever built.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "host/json.h"
#include "host/mapped_file.h"
#include "host/module.h"
#include "host/parallel.h"
#include "host/submission_box.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

constexpr std::size_t FORGET_EVERY = std::size_t{8} << 20;  // bytes of the first walk

Names numbered(const std::vector<std::string>& texts) {
  Names found;
  for (std::size_t i = 0; i < texts.size(); ++i) found.emplace(texts[i], static_cast<std::int64_t>(i));
  return found;
}

std::string where(const char* begin, const char* at) {
  const auto line = 1 + std::count(begin, at, '\n');
  return "line " + std::to_string(line) + ", byte " + std::to_string(at - begin);
}

// Where the text holds what. The last of equal keys counts, at the place of the first.
struct Outline {
  std::vector<Place> places;
  std::vector<Place> overruled;  // to be checked as JSON only
  bool has_results = false, results_is_object = false, has_meta = false;
  const char *meta_begin = nullptr, *meta_end = nullptr;
};

void outline_results(json::Cursor& cursor, Outline& out, const MappedFile* file) {
  std::unordered_map<std::string, std::size_t> seen;
  const char* forgotten = cursor.at();
  out.overruled.insert(out.overruled.end(), out.places.begin(), out.places.end());
  out.places.clear();
  cursor.object([&](json::Cursor& inner, std::string_view key) {
    Place place{std::string(key), nullptr, nullptr, -1, 0, 0};
    inner.peek();
    place.begin = inner.at();
    inner.skim(&place.num_boxes);
    place.end = inner.at();
    const auto [found, is_new] = seen.emplace(place.token, out.places.size());
    if (is_new) {
      out.places.push_back(std::move(place));
    } else {
      std::swap(out.places[found->second], place);
      out.overruled.push_back(std::move(place));
    }
    if (file != nullptr && inner.at() - forgotten > static_cast<std::ptrdiff_t>(FORGET_EVERY)) {
      file->forget(forgotten, inner.at());
      forgotten = inner.at();
    }
  });
}

Outline outline(const char* begin, const char* end, const MappedFile* file) {
  Outline out;
  json::Cursor cursor(begin, end);
  if (cursor.peek() != '{') {
    cursor.skip();
    cursor.finish();
    throw Refused("must be an object with the keys 'meta' and 'results'");
  }
  cursor.object([&](json::Cursor& inner, std::string_view key) {
    if (key == "results") {
      out.has_results = true;
      out.results_is_object = inner.peek() == '{';
      if (out.results_is_object) return outline_results(inner, out, file);
      inner.skip();
    } else if (key == "meta") {
      out.has_meta = true;
      inner.peek();
      out.meta_begin = inner.at();
      inner.skip();
      out.meta_end = inner.at();
    } else {
      inner.skip();
    }
  });
  cursor.finish();
  if (!out.has_results) throw Refused("has no 'results'; put the boxes of each sample there");
  if (!out.results_is_object) throw Refused("'results' must be an object of samples");
  return out;
}

// The samples that count, in the order in which their boxes are taken.
void choose_samples(Outline& found, const Task& task, const std::vector<std::string>& tokens) {
  std::vector<Place> chosen;
  std::vector<bool> there(tokens.size(), false);
  for (Place& place : found.places) {
    const auto row = task.samples.find(place.token);
    if (row == task.samples.end()) {
      if (!task.skip_other_samples) {
        throw Refused("sample '" + place.token + "' is not in the split; leave it out or choose its split");
      }
      found.overruled.push_back(std::move(place));
      continue;
    }
    place.row = static_cast<std::int32_t>(row->second);
    there[static_cast<std::size_t>(row->second)] = true;
    chosen.push_back(std::move(place));
  }
  const auto missing = std::count(there.begin(), there.end(), false);
  if (missing > 0) {
    const auto first = std::find(there.begin(), there.end(), false) - there.begin();
    throw Refused("sample '" + tokens[static_cast<std::size_t>(first)] + "' of the split is missing (" +
                  std::to_string(missing) + " are); give it an empty list if it has no box");
  }
  if (task.skip_other_samples) {
    std::sort(chosen.begin(), chosen.end(), [](const Place& a, const Place& b) { return a.row < b.row; });
  }
  found.places = std::move(chosen);
}

template <class T>
py::array_t<T> column(std::size_t rows, std::size_t width = 0) {
  if (width == 0) return py::array_t<T>(static_cast<py::ssize_t>(rows));
  return py::array_t<T>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)});
}

class Reader {
 public:
  Reader(const char* begin, const MappedFile* file, const Task& task, const Outline& found)
      : begin_(begin), file_(file), task_(task), found_(found) {}

  // Reads the boxes of all samples into the columns; says what is wrong in the first sample that is.
  std::optional<std::string> read(const Columns& out, std::vector<std::string>& tracks, int num_threads) {
    out_ = out;
    tracks_ = &tracks;
    parallel_for(found_.places.size(), num_threads, [&](std::size_t i) { read_sample(i); });
    for (const Place& place : found_.overruled) {
      if (first_bad_ != NONE) break;
      try {
        json::Cursor cursor(place.begin, place.end);
        cursor.skip();
        cursor.finish();
      } catch (const json::SyntaxError& error) {
        refuse(found_.places.size(), where(begin_, error.at) + ": " + error.what());
      }
    }
    if (first_bad_ == NONE) return std::nullopt;
    return reason_;
  }

  std::vector<Deferred> deferred;

 private:
  static constexpr std::size_t NONE = static_cast<std::size_t>(-1);

  void refuse(std::size_t sample, std::string reason) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (sample > first_bad_ || (sample == first_bad_ && !reason_.empty())) return;
    first_bad_ = sample;
    reason_ = std::move(reason);
  }

  void read_sample(std::size_t number) {
    if (number > first_bad_) return;
    const Place& place = found_.places[number];
    std::size_t index = 0;
    Box box;
    try {
      json::Cursor cursor(place.begin, place.end);
      const char kind = cursor.peek();
      if (kind != '[') {
        const std::string_view text(place.begin, static_cast<std::size_t>(place.end - place.begin));
        cursor.skip();
        cursor.finish();
        const bool nothing = text == "\"\"" || (kind == '{' && std::count(text.begin(), text.end(), '"') == 0);
        if (!nothing) refuse(number, "sample '" + place.token + "': must be a list of boxes");
        return;  // Python finds no box in an empty object or text either
      }
      cursor.array([&](json::Cursor& inner) {
        if (index >= place.num_boxes) throw json::SyntaxError("the brackets do not match", inner.at());
        read_box(inner, number, index, box);
        ++index;
      });
      cursor.finish();
      if (index != place.num_boxes) throw json::SyntaxError("the brackets do not match", place.begin);
      if (index > task_.max_boxes) {
        refuse(number, "sample '" + place.token + "': must have at most " + std::to_string(task_.max_boxes) +
                           " boxes, got " + std::to_string(index) + "; keep those of the highest score");
      }
    } catch (const json::SyntaxError& error) {
      refuse(number, where(begin_, error.at) + ": " + error.what());
    } catch (const Refused& error) {
      refuse(number, "sample '" + place.token + "', box " + std::to_string(index) + ": " + error.what());
    } catch (const std::exception& error) {
      refuse(number, error.what());
    }
    if (file_ != nullptr) file_->forget(place.begin, place.end);
  }

  void read_box(json::Cursor& cursor, std::size_t sample, std::size_t index, Box& box) {
    const Place& place = found_.places[sample];
    const std::size_t row = place.first_box + index;
    box.clear();
    parse_box(cursor, task_, box);
    std::optional<Deferred> ask;
    check_box(box, task_, place, row, out_, ask);
    if (task_.tracking) (*tracks_)[row] = track_key(box.track);
    if (ask) {
      ask->sample = sample;
      ask->box = index;
      const std::lock_guard<std::mutex> lock(mutex_);
      deferred.push_back(std::move(*ask));
    }
  }

  const char* begin_;
  const MappedFile* file_;
  const Task& task_;
  const Outline& found_;
  Columns out_{};
  std::vector<std::string>* tracks_ = nullptr;
  std::mutex mutex_;
  std::atomic<std::size_t> first_bad_{NONE};
  std::string reason_;
};

// Python's float() and int() of text that stands for a number.
void ask_python(std::vector<Deferred>& deferred, const Columns& out, const Outline& found, const Task& task) {
  std::sort(deferred.begin(), deferred.end(), [](const Deferred& a, const Deferred& b) { return a.row < b.row; });
  for (const Deferred& ask : deferred) {
    const std::string key = !ask.is_score ? "num_pts" : task.tracking ? "tracking_score" : "detection_score";
    const std::string box = "sample '" + found.places[ask.sample].token + "', box " + std::to_string(ask.box);
    try {
      const py::str text(ask.text);
      if (ask.is_score) {
        out.score[ask.row] = py::float_(text);
        if (std::isnan(out.score[ask.row])) throw Refused(box + ": '" + key + "' must not be NaN; drop the box");
      } else {
        const py::int_ value(text);
        out.num_pts[ask.row] = value.equal(py::int_(0)) ? 0 : 1;  // the evaluation asks for nothing else
      }
    } catch (const py::error_already_set&) {
      throw Refused(box + ": '" + key + "' must be a number, got '" + ask.text + "'");
    }
  }
}

py::dict read_text(const char* begin, const char* end, const MappedFile* file, const Task& task,
                   const std::vector<std::string>& samples, int num_threads) {
  Outline found;
  {
    py::gil_scoped_release release;
    try {
      found = outline(begin, end, file);
      choose_samples(found, task, samples);
    } catch (const json::SyntaxError& error) {
      throw Refused(where(begin, error.at) + ": " + error.what());
    }
  }
  std::size_t rows = 0;
  for (Place& place : found.places) {
    place.first_box = rows;
    rows += place.num_boxes;
  }
  auto sample = column<std::int32_t>(rows), named_sample = column<std::int32_t>(rows);
  auto translation = column<double>(rows, 3), size = column<double>(rows, 3), rotation = column<double>(rows, 4);
  auto velocity = column<double>(rows, 2), score = column<double>(rows);
  auto label = column<std::int16_t>(rows), attribute = column<std::int16_t>(rows);
  auto num_pts = column<std::int64_t>(rows), track = column<std::int64_t>(rows);
  auto velocity_known = column<bool>(rows);
  const Columns out{sample.mutable_data(),   named_sample.mutable_data(), translation.mutable_data(),
                    size.mutable_data(),     rotation.mutable_data(),     velocity.mutable_data(),
                    score.mutable_data(),    label.mutable_data(),        attribute.mutable_data(),
                    num_pts.mutable_data(),  velocity_known.mutable_data()};
  std::vector<std::string> tracks(task.tracking ? rows : 0);
  std::vector<std::string> ids;
  Reader reader(begin, file, task, found);
  std::int64_t* track_out = track.mutable_data();
  {
    py::gil_scoped_release release;
    if (const auto reason = reader.read(out, tracks, num_threads)) throw Refused(*reason);
    Names numbers;
    std::fill_n(track_out, rows, std::int64_t{-1});
    for (std::size_t row = 0; row < tracks.size(); ++row) {
      const auto [entry, is_new] = numbers.emplace(tracks[row], static_cast<std::int64_t>(ids.size()));
      if (is_new) ids.push_back(tracks[row].substr(1));
      track_out[row] = entry->second;
    }
  }
  ask_python(reader.deferred, out, found, task);
  if (!found.has_meta) throw Refused("has no 'meta'; add the object that says which sensors were used");

  py::dict result;
  result["sample"] = sample;
  result["named_sample"] = named_sample;
  result["translation"] = translation;
  result["size"] = size;
  result["rotation"] = rotation;
  result["velocity"] = velocity;
  result["velocity_known"] = velocity_known;
  result["label"] = label;
  result["score"] = score;
  result["attribute"] = attribute;
  result["num_pts"] = num_pts;
  result["track"] = track;
  py::list names;
  for (const std::string& id : ids) {
    names.append(py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(id.data(), static_cast<py::ssize_t>(id.size()), "surrogatepass")));
  }
  result["ids"] = names;
  result["meta"] = py::bytes(found.meta_begin, static_cast<std::size_t>(found.meta_end - found.meta_begin));
  return result;
}

py::dict read_submission(const py::object& source, bool tracking, const std::vector<std::string>& classes,
                         const std::vector<std::string>& attributes, const std::vector<std::string>& samples,
                         bool skip_other_samples, std::size_t max_boxes, int num_threads) {
  const Task task{tracking, numbered(classes), numbered(attributes), numbered(samples), skip_other_samples, max_boxes};
  try {
    if (py::isinstance<py::bytes>(source)) {
      const auto text = py::cast<std::string_view>(source);
      return read_text(text.data(), text.data() + text.size(), nullptr, task, samples, num_threads);
    }
    const MappedFile file(py::cast<std::string>(source));
    return read_text(file.begin(), file.end(), &file, task, samples, num_threads);
  } catch (const Refused& error) {
    throw py::value_error(error.what());
  } catch (const std::system_error& error) {
    errno = error.code().value();
    PyErr_SetFromErrno(PyExc_OSError);
    throw py::error_already_set();
  }
}

}  // namespace

void bind_submission(py::module_& m) {
  m.def("read_submission", &read_submission, py::arg("source"), py::arg("tracking"), py::arg("classes"),
        py::arg("attributes"), py::arg("samples"), py::arg("skip_other_samples"), py::arg("max_boxes"),
        py::arg("num_threads"),
        "Columns of the boxes of a submission: a path, or its JSON text as bytes. ValueError says what is refused.");
}

}  // namespace geopt::host
