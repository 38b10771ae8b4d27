// Files of frames of the Waymo Open Dataset, version 1: TFRecords of Frame messages. Field numbers are those of
// dataset.proto and label.proto.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "host/crc32c.h"
#include "host/mapped_file.h"
#include "host/module.h"
#include "host/waymo_wire.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

using waymo::Damaged;
using waymo::Message;
using waymo::Wire;

constexpr int64_t kHeader = 12, kFooter = 4;  // length and its CRC before a record, its own CRC behind it
constexpr size_t kMaxBeams = 4096, kMaxLabels = 1 << 16, kMaxBlobs = 64;   // more are no frame of any lidar
constexpr int kTopLidar = 1;

[[noreturn]] void damaged(int64_t byte, const std::string& what) {
  throw Damaged("byte " + std::to_string(byte) + ": " + what);
}

template <typename T>
T number_at(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

// The content of the record that begins at `at`.
std::string_view record_at(const MappedFile& file, int64_t at) {
  const int64_t size = file.end() - file.begin();
  if (at < 0 || at > size || size - at < kHeader) damaged(at, "a record is cut off");
  const char* header = file.begin() + at;
  if (masked_crc32c(header, 8) != number_at<uint32_t>(header + 8)) damaged(at, "the length of a record has a wrong CRC");
  const auto length = number_at<uint64_t>(header);
  if (length > static_cast<uint64_t>(std::max<int64_t>(size - at - kHeader - kFooter, 0)) ||
      size - at - kHeader < kFooter) {
    damaged(at, "a record is cut off");
  }
  return {header + kHeader, static_cast<size_t>(length)};
}

Message message_of(const MappedFile& file, std::string_view content) {
  return Message(file.begin(), content.data(), content.data() + content.size());
}

// Doubles, one by one or packed.
void add_doubles(Message& message, std::vector<double>& to, size_t most) {
  if (message.is(message.field(), Wire::kFixed64)) {
    to.push_back(message.float64());
  } else {
    const std::string_view packed = message.bytes();
    if (packed.size() % 8 != 0) message.refuse("packed numbers end within one");
    for (size_t i = 0; i < packed.size(); i += 8) to.push_back(number_at<double>(packed.data() + i));
  }
  if (to.size() > most) message.refuse("a field has too many numbers");
}

bool holds_doubles(const Message& message, uint32_t field) {
  return message.is(field, Wire::kFixed64) || message.is(field, Wire::kBytes);
}

std::array<double, 16> read_transform(Message message) {
  std::vector<double> values;
  Message at_begin = message;
  while (message.next()) {
    if (holds_doubles(message, 1)) add_doubles(message, values, 16);
  }
  if (values.size() != 16) at_begin.refuse("a transform must have 16 numbers");
  std::array<double, 16> out;
  std::copy(values.begin(), values.end(), out.begin());
  return out;
}

struct Calibration {
  int64_t name = 0;
  std::vector<double> inclinations;
  double lowest = 0, highest = 0;
  std::optional<std::array<double, 16>> extrinsic;
};

Calibration read_calibration(Message message) {
  Calibration out;
  while (message.next()) {
    if (message.is(1, Wire::kVarint)) {
      out.name = static_cast<int64_t>(message.number());
    } else if (holds_doubles(message, 2)) {
      add_doubles(message, out.inclinations, kMaxBeams);
    } else if (message.is(3, Wire::kFixed64)) {
      out.lowest = message.float64();
    } else if (message.is(4, Wire::kFixed64)) {
      out.highest = message.float64();
    } else if (message.is(5, Wire::kBytes)) {
      out.extrinsic = read_transform(message.message());
    }
  }
  return out;
}

struct Label {
  double box[7] = {0, 0, 0, 0, 0, 0, 0};  // x, y, z, length, width, height, heading
  double motion[6];                       // speed x, y, z and acceleration x, y, z; NaN where the file has none
  int64_t type = 0, detection_level = 0, tracking_level = 0, num_points = -1, num_top_points = -1;
  std::string_view id;

  Label() { std::fill(motion, motion + 6, std::numeric_limits<double>::quiet_NaN()); }
};

// Doubles with fields of their own.
template <size_t N>
bool take_double(Message& message, const int (&column)[N], double* to) {
  for (uint32_t field = 1; field < N; ++field) {
    if (column[field] >= 0 && message.is(field, Wire::kFixed64)) {
      to[column[field]] = message.float64();
      return true;
    }
  }
  return false;
}

Label read_label(Message message) {
  constexpr int box_column[] = {-1, 0, 1, 2, 4, 3, 5, 6};  // width is before length
  constexpr int motion_column[] = {-1, 0, 1, 3, 4, 2, 5};
  Label out;
  while (message.next()) {
    if (message.is(1, Wire::kBytes)) {
      Message box = message.message();
      while (box.next()) take_double(box, box_column, out.box);
    } else if (message.is(2, Wire::kBytes)) {
      Message motion = message.message();
      bool any = false;
      while (motion.next()) any |= take_double(motion, motion_column, out.motion);
      for (double& value : out.motion) {  // the vertical parts came later than the others
        if (any && std::isnan(value)) value = 0;
      }
    } else if (message.is(3, Wire::kVarint)) {
      out.type = static_cast<int64_t>(message.number());
    } else if (message.is(4, Wire::kBytes)) {
      out.id = message.bytes();
    } else if (message.is(5, Wire::kVarint)) {
      out.detection_level = static_cast<int64_t>(message.number());
    } else if (message.is(6, Wire::kVarint)) {
      out.tracking_level = static_cast<int64_t>(message.number());
    } else if (message.is(7, Wire::kVarint)) {
      out.num_points = static_cast<int32_t>(message.number());
    } else if (message.is(13, Wire::kVarint)) {
      out.num_top_points = static_cast<int32_t>(message.number());
    }
  }
  return out;
}

// One compressed matrix of a return.
struct Blob {
  int64_t laser, which, kind;  // lidar; first return 0, second 1; field number within the return
  std::string_view bytes;
};
constexpr uint32_t kRange = 2, kPose = 4, kSegmentation = 6;

void read_return(Message message, int64_t which, std::vector<Blob>& to) {
  while (message.next()) {
    for (uint32_t kind : {kRange, kPose, kSegmentation}) {
      if (message.is(kind, Wire::kBytes)) {
        to.push_back({0, which, kind, message.bytes()});
        if (to.size() > kMaxBlobs) message.refuse("a frame has too many returns");
        break;
      }
    }
  }
}

void read_laser(Message message, std::vector<Blob>& to) {
  const size_t first = to.size();
  int64_t name = 0;
  while (message.next()) {
    if (message.is(1, Wire::kVarint)) {
      name = static_cast<int64_t>(message.number());
    } else if (message.is(2, Wire::kBytes)) {
      read_return(message.message(), 0, to);
    } else if (message.is(3, Wire::kBytes)) {
      read_return(message.message(), 1, to);
    }
  }
  for (size_t i = first; i < to.size(); ++i) to[i].laser = name;
}

struct Frame {
  std::string_view context;
  std::string_view context_message;
  int64_t timestamp_us = 0;
  std::optional<std::array<double, 16>> pose;
  std::vector<Blob> blobs;
};

Frame read_frame(Message message, std::vector<Label>* labels) {
  Frame out;
  while (message.next()) {
    if (message.is(1, Wire::kBytes)) {
      Message context = message.message();
      out.context_message = {context.at(), static_cast<size_t>(context.end() - context.at())};
      while (context.next()) {
        if (context.is(1, Wire::kBytes)) out.context = context.bytes();
      }
    } else if (message.is(2, Wire::kVarint)) {
      out.timestamp_us = static_cast<int64_t>(message.number());
    } else if (message.is(3, Wire::kBytes)) {
      out.pose = read_transform(message.message());
    } else if (message.is(5, Wire::kBytes)) {
      read_laser(message.message(), out.blobs);
    } else if (message.is(6, Wire::kBytes) && labels != nullptr) {
      labels->push_back(read_label(message.message()));
      if (labels->size() > kMaxLabels) message.refuse("a frame has too many labels");
    }
  }
  return out;
}

template <typename T>
py::array_t<T> array_of(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
  py::array_t<T> out(std::move(shape));
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

py::list texts_of(const std::vector<std::string>& texts) {
  py::list out;
  for (const std::string& text : texts) out.append(py::bytes(text));
  return out;
}

// What one asks of a file before one reads points: everything but images and lasers, whose pages are not touched.
struct Index {
  std::vector<int64_t> offset, timestamp_us, label_end, integers;
  std::vector<uint8_t> has_points, has_segmentation;
  std::vector<double> pose, box, motion;
  std::vector<std::string> context, id;
  std::vector<Calibration> calibrations;
  std::vector<std::string> stats = std::vector<std::string>(3);

  explicit Index(const MappedFile& file) {
    const int64_t size = file.end() - file.begin();
    std::vector<Label> labels;
    for (int64_t at = 0; at < size;) {
      const std::string_view content = record_at(file, at);
      labels.clear();
      const Frame frame = read_frame(message_of(file, content), &labels);
      if (frame.context.empty() || frame.timestamp_us == 0 || !frame.pose) {
        damaged(at, "a record has no name of its segment, no time or no pose; is it a Frame?");
      }
      if (offset.empty()) read_context(file, frame);
      offset.push_back(at);
      timestamp_us.push_back(frame.timestamp_us);
      context.emplace_back(frame.context);
      pose.insert(pose.end(), frame.pose->begin(), frame.pose->end());
      const auto any = [&](uint32_t kind) {
        return std::any_of(frame.blobs.begin(), frame.blobs.end(), [&](const Blob& blob) {
          return blob.kind == kind && !blob.bytes.empty() && (kind != kSegmentation || blob.laser == kTopLidar);
        });
      };
      has_points.push_back(any(kRange));
      has_segmentation.push_back(any(kSegmentation));
      for (const Label& label : labels) {
        box.insert(box.end(), label.box, label.box + 7);
        motion.insert(motion.end(), label.motion, label.motion + 6);
        for (int64_t value : {label.type, label.detection_level, label.tracking_level, label.num_points,
                              label.num_top_points}) {
          integers.push_back(value);
        }
        id.emplace_back(label.id);
      }
      label_end.push_back(static_cast<int64_t>(id.size()));
      file.forget(content.data(), content.data() + content.size());
      at += kHeader + static_cast<int64_t>(content.size()) + kFooter;
    }
  }

  void read_context(const MappedFile& file, const Frame& frame) {
    Message context = message_of(file, frame.context_message);
    while (context.next()) {
      if (context.is(3, Wire::kBytes)) calibrations.push_back(read_calibration(context.message()));
      if (calibrations.size() > 64) context.refuse("more than 64 lidars");
      if (!context.is(4, Wire::kBytes)) continue;
      Message about = context.message();
      while (about.next()) {  // fields 2 to 4: time of day, place, weather
        for (uint32_t field = 2; field <= 4; ++field) {
          if (about.is(field, Wire::kBytes)) {
            stats[field - 2] = about.bytes();
            break;
          }
        }
      }
    }
  }

  py::dict as_dict() const {
    const auto frames = static_cast<py::ssize_t>(offset.size()), boxes = static_cast<py::ssize_t>(id.size());
    py::dict out;
    out["offset"] = array_of(offset, {frames});
    out["timestamp_us"] = array_of(timestamp_us, {frames});
    out["label_end"] = array_of(label_end, {frames});
    out["has_points"] = array_of(has_points, {frames});
    out["has_segmentation"] = array_of(has_segmentation, {frames});
    out["pose"] = array_of(pose, {frames, 4, 4});
    out["box"] = array_of(box, {boxes, 7});
    out["motion"] = array_of(motion, {boxes, 6});
    out["integers"] = array_of(integers, {boxes, 5});
    out["context"] = texts_of(context);
    out["id"] = texts_of(id);
    py::list lidars;
    for (const Calibration& one : calibrations) {
      py::dict lidar;
      lidar["name"] = one.name;
      lidar["inclinations"] = array_of(one.inclinations, {static_cast<py::ssize_t>(one.inclinations.size())});
      lidar["lowest"] = one.lowest;
      lidar["highest"] = one.highest;
      lidar["extrinsic"] = py::none();
      if (one.extrinsic) {
        lidar["extrinsic"] = array_of(std::vector<double>(one.extrinsic->begin(), one.extrinsic->end()), {4, 4});
      }
      lidars.append(lidar);
    }
    out["calibrations"] = lidars;
    out["stats"] = texts_of(stats);
    return out;
  }
};

py::dict waymo_index(const std::string& path) {
  std::optional<Index> index;
  {
    py::gil_scoped_release release;
    const MappedFile file(path);
    index.emplace(file);
  }
  return index->as_dict();
}

py::list waymo_blobs(const std::string& path, int64_t offset) {
  std::optional<MappedFile> file;
  std::vector<Blob> blobs;
  {
    py::gil_scoped_release release;
    file.emplace(path);
    const std::string_view content = record_at(*file, offset);
    const char* end = content.data() + content.size();
    if (masked_crc32c(content.data(), content.size()) != number_at<uint32_t>(end)) {
      damaged(offset, "a record has a wrong CRC");
    }
    blobs = read_frame(message_of(*file, content), nullptr).blobs;
  }
  py::list out;
  for (const Blob& blob : blobs) {
    out.append(py::make_tuple(blob.laser, blob.which, blob.kind, py::bytes(blob.bytes.data(), blob.bytes.size())));
  }
  return out;
}

uint32_t masked_crc(const py::bytes& content) {
  char* data = nullptr;
  py::ssize_t size = 0;
  if (PyBytes_AsStringAndSize(content.ptr(), &data, &size) != 0) throw py::error_already_set();
  return masked_crc32c(data, static_cast<size_t>(size));
}

}  // namespace

void bind_waymo_frames(py::module_& m) {
  m.def("waymo_index", &waymo_index, py::arg("path"),
        "Times, poses, labels and calibrations of a TFRecord file of Frames, without images and lasers.");
  m.def("waymo_blobs", &waymo_blobs, py::arg("path"), py::arg("offset"),
        "Compressed matrices of a frame as (lidar, return, kind, bytes); kind 2 is range, 4 pose, 6 segmentation.");
  m.def("masked_crc32c", &masked_crc, py::arg("content"), "CRC-32C as TFRecords store it.");
}

}  // namespace geopt::host
