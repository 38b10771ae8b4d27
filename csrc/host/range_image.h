// From the pixels of a range image to points in the vehicle frame, in float64.
//
// A row of the image is a beam, a column a direction. Column c of W looks along the azimuth ((W - c - 1/2) / W * 2 - 1) pi,
// less the yaw of the sensor on the vehicle; so the middle of every image looks forward in the vehicle. Where the sensor
// turns while the vehicle moves, each pixel has the pose of the vehicle at its own moment.
//
// Source: Sun et al., Scalability in Perception for Autonomous Driving: Waymo Open Dataset, CVPR 2020, arXiv:1912.04838;
// conventions as of the official conversion.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace geopt::host {

constexpr double kTurn = 3.14159265358979323846;
constexpr int kImageChannels = 4;  // range (m), intensity, elongation, 1 in a zone without labels
constexpr int kPoseChannels = 6;   // roll, pitch, yaw (rad), x, y, z (m): world from vehicle

// Three rows of four: a rotation and a shift.
struct Rigid {
  double m[12];

  void apply(const double* in, double* out) const {
    for (int k = 0; k < 3; ++k) out[k] = m[4 * k] * in[0] + m[4 * k + 1] * in[1] + m[4 * k + 2] * in[2] + m[4 * k + 3];
  }
  // The motion that undoes a rigid one.
  Rigid inverse() const {
    Rigid out;
    for (int i = 0; i < 3; ++i) {
      double shift = 0;
      for (int j = 0; j < 3; ++j) {
        out.m[4 * i + j] = m[4 * j + i];
        shift -= m[4 * j + i] * m[4 * j + 3];
      }
      out.m[4 * i + 3] = shift;
    }
    return out;
  }
};

// Sine and cosine of angles that hardly differ from one another, as those of the pixels of one turn.
class NearbyAngle {
 public:
  explicit NearbyAngle(double about) : about_(about), sin_(std::sin(about)), cos_(std::cos(about)) {}

  void operator()(double angle, double* sine, double* cosine) const {
    const double d = angle - about_, q = d * d;
    if (!(q <= 0.0625)) {  // NaN goes here too
      *sine = std::sin(angle);
      *cosine = std::cos(angle);
      return;
    }
    // The series up to the term that is below 1e-17 at 1/4.
    const double s =
        d * (1 + q * (-1.0 / 6 + q * (1.0 / 120 + q * (-1.0 / 5040 + q * (1.0 / 362880 - q / 39916800.0)))));
    const double c =
        1 + q * (-0.5 + q * (1.0 / 24 + q * (-1.0 / 720 + q * (1.0 / 40320 + q * (-1.0 / 3628800 + q / 479001600.0)))));
    *sine = sin_ * c + cos_ * s;
    *cosine = cos_ * c - sin_ * s;
  }

 private:
  double about_, sin_, cos_;
};

struct RangeImage {
  int64_t height, width;
  const float* pixels;         // (H, W, 4)
  const double* inclinations;  // (H,) angle above the sensor's x-y plane of each row, radians
  Rigid extrinsic;             // vehicle from sensor
  const float* poses;          // (H, W, 6) or null
  Rigid vehicle_from_world;    // at the time of the frame; used with poses
};

// What a pixel with a range above 0 becomes.
struct PointColumns {
  float* xyz;         // (N, 3) metres in the vehicle frame
  float* range;       // (N,) metres
  float* intensity;   // (N,)
  float* elongation;  // (N,)
  bool* in_no_label_zone;
  int32_t* pixel;  // (N,) row * W + column
};

inline int64_t count_returns(const RangeImage& image) {
  int64_t count = 0;
  for (int64_t i = 0; i < image.height * image.width; ++i) count += image.pixels[kImageChannels * i] > 0;
  return count;
}

void to_points(const RangeImage& image, const PointColumns& out);

}  // namespace geopt::host
