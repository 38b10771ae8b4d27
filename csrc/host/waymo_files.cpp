// Files of predictions and labels as Waymo's own tools write them. Field numbers are those of metrics.proto, label.proto,
// segmentation_metrics.proto and dataset.proto.
#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "host/mapped_file.h"
#include "host/module.h"
#include "host/waymo_wire.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

using waymo::Message;
using waymo::Wire;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

constexpr size_t FORGET_EVERY = size_t{64} << 20;  // bytes

// An enum of proto2: a number that has no name is as if the field were not there.
int named(uint64_t value, int last, int otherwise) {
  return value <= static_cast<uint64_t>(last) ? static_cast<int>(value) : otherwise;
}

struct Object {
  double box[7] = {0, 0, 0, 0, 0, 0, 0};  // x, y, z, length, width, height, heading
  double speed[2] = {0, 0};
  float score = 1;
  bool nlz = false;
  int type = 0, difficulty = 0, camera = 0;
  int32_t num_points = 0;
  std::string_view context;
  int64_t timestamp = 0;
};

void read_box(Message message, double* box) {
  constexpr int column[8] = {-1, 0, 1, 2, 4, 3, 5, 6};  // of fields 1 to 7; width is before length
  while (message.next()) {
    for (uint32_t field = 1; field <= 7; ++field) {
      if (message.is(field, Wire::kFixed64)) {
        box[column[field]] = message.float64();
        break;
      }
    }
  }
}

void read_label(Message message, Object& object) {
  while (message.next()) {
    if (message.is(1, Wire::kBytes)) {
      read_box(message.message(), object.box);
    } else if (message.is(2, Wire::kBytes)) {
      Message metadata = message.message();
      while (metadata.next()) {
        if (metadata.is(1, Wire::kFixed64)) {
          object.speed[0] = metadata.float64();
        } else if (metadata.is(2, Wire::kFixed64)) {
          object.speed[1] = metadata.float64();
        }
      }
    } else if (message.is(3, Wire::kVarint)) {
      object.type = named(message.number(), 4, object.type);
    } else if (message.is(5, Wire::kVarint)) {
      object.difficulty = named(message.number(), 2, object.difficulty);
    } else if (message.is(7, Wire::kVarint)) {
      object.num_points = static_cast<int32_t>(message.number());
    }
  }
}

Object read_object(Message message) {
  Object object;
  while (message.next()) {
    if (message.is(1, Wire::kBytes)) {
      read_label(message.message(), object);
    } else if (message.is(2, Wire::kFixed32)) {
      object.score = message.float32();
    } else if (message.is(3, Wire::kVarint)) {
      object.nlz = message.number() != 0;
    } else if (message.is(4, Wire::kBytes)) {
      object.context = message.bytes();
    } else if (message.is(5, Wire::kVarint)) {
      object.timestamp = static_cast<int64_t>(message.number());
    } else if (message.is(6, Wire::kVarint)) {
      object.camera = named(message.number(), 8, object.camera);
    }
  }
  return object;
}

// A frame as the official tool knows it: boxes of different cameras are never compared.
struct Key {
  std::string context;
  int camera;
  int64_t timestamp;

  bool operator==(const Key& other) const {
    return timestamp == other.timestamp && camera == other.camera && context == other.context;
  }
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    return std::hash<std::string>()(key.context) * 31 + std::hash<int64_t>()(key.timestamp) * 17 + key.camera;
  }
};

struct Objects {
  std::vector<double> box, speed;
  std::vector<uint8_t> type, difficulty, nlz;
  std::vector<float> score;
  std::vector<int32_t> num_points;
  std::vector<int64_t> frame;  // row of frames
  std::vector<Key> frames;
  std::unordered_map<Key, int64_t, KeyHash> row_of;

  void add(const Object& object) {
    box.insert(box.end(), object.box, object.box + 7);
    speed.insert(speed.end(), object.speed, object.speed + 2);
    type.push_back(static_cast<uint8_t>(object.type));
    difficulty.push_back(static_cast<uint8_t>(object.difficulty));
    nlz.push_back(object.nlz);
    score.push_back(object.score);
    num_points.push_back(object.num_points);
    frame.push_back(row(object));
  }

 private:
  int64_t row(const Object& object) {
    if (!frame.empty()) {  // most objects are in the frame of the one before
      const Key& last = frames[static_cast<size_t>(frame.back())];
      if (last.timestamp == object.timestamp && last.camera == object.camera && last.context == object.context) {
        return frame.back();
      }
    }
    Key key{std::string(object.context), object.camera, object.timestamp};
    const auto [found, is_new] = row_of.emplace(std::move(key), static_cast<int64_t>(frames.size()));
    if (is_new) frames.push_back(found->first);
    return found->second;
  }
};

template <typename T>
Array<T> column(const std::vector<T>& values) {
  return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

Array<double> table(const std::vector<double>& values, py::ssize_t width) {
  return Array<double>({static_cast<py::ssize_t>(values.size()) / width, width}, values.data());
}

// Returns a dict of columns, a row for each object; `frame` is a row of `frames`: (context, camera, timestamp in us).
py::dict read_waymo_objects(const std::string& path) {
  Objects found;
  {
    py::gil_scoped_release release;
    const MappedFile file(path);
    Message objects(file.begin(), file.begin(), file.end());
    const char* forgotten = file.begin();
    while (objects.next()) {
      if (!objects.is(1, Wire::kBytes)) continue;
      found.add(read_object(objects.message()));
      if (static_cast<size_t>(objects.at() - forgotten) > FORGET_EVERY) {
        file.forget(forgotten, objects.at());
        forgotten = objects.at();
      }
    }
  }
  py::list frames;
  for (const Key& key : found.frames) frames.append(py::make_tuple(py::bytes(key.context), key.camera, key.timestamp));
  py::dict out;
  out["bbox"] = table(found.box, 7);
  out["speed"] = table(found.speed, 2);
  out["type"] = column(found.type);
  out["difficulty"] = column(found.difficulty);
  out["overlap_nlz"] = column(found.nlz);
  out["score"] = column(found.score);
  out["num_lidar_points"] = column(found.num_points);
  out["frame"] = column(found.frame);
  out["frames"] = frames;
  return out;
}

// First byte and size of the compressed labels of a range image; a size of 0 where there are none.
std::tuple<int64_t, int64_t> labels_of(Message image, const char* file) {
  std::tuple<int64_t, int64_t> place{0, 0};
  while (image.next()) {
    if (!image.is(6, Wire::kBytes)) continue;
    const std::string_view labels = image.bytes();
    place = {labels.data() - file, static_cast<int64_t>(labels.size())};
  }
  return place;
}

// A list of frames (context, timestamp in us, lasers); a laser is (name, place and size of the labels of both returns).
py::list read_waymo_segmentation(const std::string& path) {
  const MappedFile file(path);
  py::list frames;
  Message list(file.begin(), file.begin(), file.end());
  while (list.next()) {
    if (!list.is(1, Wire::kBytes)) continue;
    Message frame = list.message();
    std::string_view context;
    int64_t timestamp = 0;
    py::list lasers;
    while (frame.next()) {
      if (frame.is(1, Wire::kBytes)) {
        Message laser = frame.message();
        int name = 0;
        std::tuple<int64_t, int64_t> places[2] = {{0, 0}, {0, 0}};
        while (laser.next()) {
          if (laser.is(1, Wire::kVarint)) {
            name = named(laser.number(), 5, name);
          } else if (laser.is(2, Wire::kBytes)) {
            places[0] = labels_of(laser.message(), file.begin());
          } else if (laser.is(3, Wire::kBytes)) {
            places[1] = labels_of(laser.message(), file.begin());
          }
        }
        lasers.append(py::make_tuple(name, places[0], places[1]));
      } else if (frame.is(2, Wire::kBytes)) {
        context = frame.bytes();
      } else if (frame.is(3, Wire::kVarint)) {
        timestamp = static_cast<int64_t>(frame.number());
      }
    }
    frames.append(py::make_tuple(py::bytes(context.data(), context.size()), timestamp, lasers));
  }
  return frames;
}

// A MatrixInt32: its numbers in their order, and its shape.
py::tuple read_waymo_matrix(const py::bytes& text) {
  const std::string_view all(text);
  std::vector<int32_t> numbers;
  std::vector<int64_t> shape;
  Message matrix(all.data(), all.data(), all.data() + all.size());
  const auto read_all = [&](Message packed, auto& into) {
    while (!packed.at_end()) into.push_back(static_cast<int32_t>(packed.number()));
  };
  while (matrix.next()) {
    if (matrix.is(1, Wire::kBytes)) {
      read_all(matrix.message(), numbers);
    } else if (matrix.is(1, Wire::kVarint)) {
      numbers.push_back(static_cast<int32_t>(matrix.number()));
    } else if (matrix.is(2, Wire::kBytes)) {
      Message dims = matrix.message();
      while (dims.next()) {
        if (dims.is(1, Wire::kVarint)) {
          shape.push_back(static_cast<int32_t>(dims.number()));
        } else if (dims.is(1, Wire::kBytes)) {
          read_all(dims.message(), shape);
        }
      }
    }
  }
  return py::make_tuple(column(numbers), shape);
}

// Counts [truth, prediction] of classes 1 to num_classes; anything else is the last row and column.
Array<int64_t> waymo_confusion(const Array<int32_t>& truth, const Array<int32_t>& prediction, int num_classes) {
  const int width = num_classes + 1;
  Array<int64_t> counts({width, width});
  int64_t* out = counts.mutable_data();
  const int32_t *t = truth.data(), *p = prediction.data();
  const py::ssize_t n = truth.size();
  py::gil_scoped_release release;
  std::fill_n(out, static_cast<size_t>(width) * width, int64_t{0});
  const auto place = [=](int32_t label) { return label < 1 || label > num_classes ? num_classes : label - 1; };
  for (py::ssize_t i = 0; i < n; ++i) ++out[place(t[i]) * width + place(p[i])];
  return counts;
}

}  // namespace

void bind_waymo_files(py::module_& m) {
  py::register_exception<waymo::Damaged>(m, "WaymoFileDamaged", PyExc_ValueError);
  m.def("read_waymo_objects", &read_waymo_objects, py::arg("path"));
  m.def("read_waymo_segmentation", &read_waymo_segmentation, py::arg("path"));
  m.def("read_waymo_matrix", &read_waymo_matrix, py::arg("text"));
  m.def("waymo_confusion", &waymo_confusion, py::arg("truth"), py::arg("prediction"), py::arg("num_classes"));
}

}  // namespace geopt::host
