#include "host/range_image.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include "host/module.h"

namespace py = pybind11;

namespace geopt::host {

void to_points(const RangeImage& image, const PointColumns& out) {
  const int64_t width = image.width;
  const double yaw = std::atan2(image.extrinsic.m[4], image.extrinsic.m[0]);
  std::vector<double> direction(static_cast<size_t>(2 * width));
  for (int64_t c = 0; c < width; ++c) {
    const double share = (static_cast<double>(width - c) - 0.5) / static_cast<double>(width);
    const double azimuth = (share * 2 - 1) * kTurn - yaw;
    direction[2 * c] = std::cos(azimuth);
    direction[2 * c + 1] = std::sin(azimuth);
  }
  std::optional<NearbyAngle> angles[3];
  int64_t n = 0;
  for (int64_t row = 0; row < image.height; ++row) {
    const double level = std::cos(image.inclinations[row]), up = std::sin(image.inclinations[row]);
    for (int64_t c = 0; c < width; ++c) {
      const int64_t pixel = row * width + c;
      const float* values = image.pixels + kImageChannels * pixel;
      if (!(values[0] > 0)) continue;
      const double range = values[0];
      const double in_sensor[3] = {direction[2 * c] * level * range, direction[2 * c + 1] * level * range, up * range};
      double point[3];
      image.extrinsic.apply(in_sensor, point);
      if (image.poses != nullptr) {
        const float* pose = image.poses + kPoseChannels * pixel;
        if (!angles[0]) {
          for (int k = 0; k < 3; ++k) angles[k].emplace(pose[k]);
        }
        double sr, cr, sp, cp, sy, cy;
        (*angles[0])(pose[0], &sr, &cr);
        (*angles[1])(pose[1], &sp, &cp);
        (*angles[2])(pose[2], &sy, &cy);
        const Rigid world_from_vehicle = {{cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, pose[3],  //
                                           sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, pose[4],  //
                                           -sp, cp * sr, cp * cr, pose[5]}};
        double in_world[3];
        world_from_vehicle.apply(point, in_world);
        image.vehicle_from_world.apply(in_world, point);
      }
      for (int k = 0; k < 3; ++k) out.xyz[3 * n + k] = static_cast<float>(point[k]);
      out.range[n] = values[0];
      out.intensity[n] = values[1];
      out.elongation[n] = values[2];
      out.in_no_label_zone[n] = values[3] > 0;
      out.pixel[n] = static_cast<int32_t>(pixel);
      ++n;
    }
  }
}

namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

Rigid rigid_of(const Array<double>& matrix, const char* name) {
  if (matrix.ndim() != 2 || matrix.shape(0) < 3 || matrix.shape(1) != 4) {
    throw std::invalid_argument(std::string(name) + " must have shape (4, 4) or (3, 4)");
  }
  Rigid out;
  std::copy(matrix.data(), matrix.data() + 12, out.m);
  return out;
}

template <typename T>
bool has_shape(const Array<T>& array, std::initializer_list<int64_t> shape) {
  return array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
         std::equal(shape.begin(), shape.end(), array.shape());
}

py::dict range_image_points(const Array<float>& pixels, const Array<double>& extrinsic,
                            const Array<double>& inclinations, const std::optional<Array<float>>& poses,
                            const std::optional<Array<double>>& world_from_vehicle) {
  if (pixels.ndim() != 3 || pixels.shape(2) != kImageChannels) throw std::invalid_argument("pixels must be (H, W, 4)");
  RangeImage image{pixels.shape(0), pixels.shape(1), pixels.data(), inclinations.data(), rigid_of(extrinsic, "extrinsic"),
                   nullptr, {}};
  if (image.height > 0 && image.width > std::numeric_limits<int32_t>::max() / image.height) {
    throw std::invalid_argument("pixels must be fewer than 2**31");
  }
  if (!has_shape(inclinations, {image.height})) throw std::invalid_argument("inclinations must have one angle a row");
  if (poses.has_value() != world_from_vehicle.has_value()) {
    throw std::invalid_argument("poses of pixels need the pose of the frame, and the other way round");
  }
  if (poses) {
    if (!has_shape(*poses, {image.height, image.width, kPoseChannels})) {
      throw std::invalid_argument("poses must be (H, W, 6) with the H and W of pixels");
    }
    image.poses = poses->data();
    image.vehicle_from_world = rigid_of(*world_from_vehicle, "world_from_vehicle").inverse();
  }
  int64_t count = 0;
  {
    py::gil_scoped_release release;
    count = count_returns(image);
  }
  py::array_t<float> xyz({count, int64_t{3}}), range(count), intensity(count), elongation(count);
  py::array_t<bool> zone(count);
  py::array_t<int32_t> pixel(count);
  const PointColumns out{xyz.mutable_data(),        range.mutable_data(), intensity.mutable_data(),
                         elongation.mutable_data(), zone.mutable_data(),  pixel.mutable_data()};
  {
    py::gil_scoped_release release;
    to_points(image, out);
  }
  py::dict found;
  found["xyz"] = xyz;
  found["range_m"] = range;
  found["intensity"] = intensity;
  found["elongation"] = elongation;
  found["in_no_label_zone"] = zone;
  found["pixel"] = pixel;
  return found;
}

}  // namespace

void bind_range_image(py::module_& m) {
  m.def("range_image_points", &range_image_points, py::arg("pixels"), py::arg("extrinsic"), py::arg("inclinations"),
        py::arg("poses"), py::arg("world_from_vehicle"),
        "Points (xyz, range_m, intensity, elongation, in_no_label_zone, pixel) of a (H, W, 4) range image in the vehicle "
        "frame, row by row.");
}

}  // namespace geopt::host
