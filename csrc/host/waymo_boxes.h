// What the Waymo evaluator asks of boxes: how much two of them share, how well their headings agree, which part of a
// breakdown one belongs to. Boxes are seven doubles: centre x, y, z, length, width, height (m), heading (rad).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/box_iou/box_iou.h"

namespace geopt::host::waymo {

// Numbers of metrics.proto, label.proto and breakdown.proto.
enum class BoxType : int { kVolume = 1, kFromAbove = 2, kAxisAligned = 3 };
enum class Align : int {
  kNone = 1,
  kRange = 2,
  kCentre = 3,
  kRangeIfFarther = 4,  // only predictions beyond the ground truth move
  kRangeIfCloser = 5,
  kRangeUpToTruth = 6,
};
enum Type : int { kUnknown, kVehicle, kPedestrian, kSign, kCyclist };
enum class Breakdown : int {
  kOneShard = 1,
  kObjectType = 2,
  kRange = 3,
  kVelocity = 7,
  kAllButSign = 8,
  kSize = 9,
  kCamera = 10,
};
constexpr int kTypes = 4;  // that are scored

// Longitudinal error tolerance: predictions of a camera may err along the line of sight.
struct Tolerance {
  bool enabled = false;
  double sensor[3] = {0, 0, 0};
  float share_of_range = 0, least_m = 0;
  Align align = Align::kRange;
};

constexpr double kTooSmall = 1e-2, kTooLarge = 1e6;  // metres; sides from there on share nothing with anything
constexpr double kLeast = 1e-6;

// A box with what every pair would compute again.
struct Box {
  const double* raw;
  TurnedBox turned;
  bool is_scored;  // sides within bounds

  Box(const double* box, BoxType type) : raw(box) {
    double used[7];
    std::copy(box, box + 7, used);
    if (type == BoxType::kAxisAligned) used[6] = 0;
    turned = make_turned_box(used, type == BoxType::kVolume);
    const bool has_height = type != BoxType::kVolume || box[5] > kTooSmall;
    is_scored = box[3] > kTooSmall && box[4] > kTooSmall && has_height && box[3] < kTooLarge && box[4] < kTooLarge &&
                box[5] < kTooLarge;
  }
};

inline double shared_part(const Box& a, const TurnedBox& a_turned, const Box& b) {
  if (!a.is_scored || !b.is_scored) return 0.0;
  const TurnedBox& c = b.turned;
  if (out_of_reach(a_turned.x, a_turned.y, a_turned.reach, c.x, c.y, c.reach)) return 0.0;
  return box_iou(a_turned, c);
}

struct Sight {
  double prediction[3], truth[3];  // centres as seen from the sensor
  double dot = 0, prediction_squared = 0, truth_squared = 0;

  Sight(const double* p, const double* g, const double* sensor) {
    for (int k = 0; k < 3; ++k) {
      prediction[k] = p[k] - sensor[k];
      truth[k] = g[k] - sensor[k];
      dot += prediction[k] * truth[k];
      prediction_squared += prediction[k] * prediction[k];
      truth_squared += truth[k] * truth[k];
    }
  }
};

// By what the centre of a prediction is multiplied, to move along its line of sight to the point nearest to the truth.
inline double range_factor(const Sight& sight, Align align) {
  const double factor = sight.dot / std::max(sight.prediction_squared, kLeast);
  const bool moves_closer = factor >= 0.0 && factor < 1.0;
  if (align == Align::kRangeIfFarther) return moves_closer ? factor : 1.0;
  if (align == Align::kRangeIfCloser) return moves_closer ? 1.0 : factor;
  if (align == Align::kRangeUpToTruth) return std::max(factor, 1.0);
  return factor;
}

// Intersection over union, rounded to float32 as the official matcher stores it.
inline float iou(const Box& prediction, const Box& truth, BoxType type, const Tolerance& tolerance) {
  if (!tolerance.enabled || tolerance.align == Align::kNone) {
    return static_cast<float>(shared_part(prediction, prediction.turned, truth));
  }
  TurnedBox moved = prediction.turned;
  if (tolerance.align == Align::kCentre) {
    moved.x = truth.turned.x;
    moved.y = truth.turned.y;
  } else {
    const Sight sight(prediction.raw, truth.raw, tolerance.sensor);
    const double factor = range_factor(sight, tolerance.align);
    moved.x = sight.prediction[0] * factor + tolerance.sensor[0];
    moved.y = sight.prediction[1] * factor + tolerance.sensor[1];
    if (type == BoxType::kVolume) moved.z = sight.prediction[2] * factor + tolerance.sensor[2];
  }
  return static_cast<float>(shared_part(prediction, moved, truth));
}

// 1 for a prediction at the range of the truth, 0 for one off by the tolerance or more.
inline float affinity(const double* prediction, const double* truth, const Tolerance& tolerance) {
  const Sight sight(prediction, truth, tolerance.sensor);
  const double truth_range = std::max(std::sqrt(sight.truth_squared), kLeast);
  const double prediction_range = std::max(std::sqrt(sight.prediction_squared), kLeast);
  const double cosine = sight.dot / truth_range / prediction_range;
  const float allowed_m = static_cast<float>(
      std::max(tolerance.share_of_range * truth_range, static_cast<double>(tolerance.least_m)));
  const double error = std::abs((prediction_range * cosine - truth_range) / allowed_m);
  return static_cast<float>(std::max(0.0, std::min(1.0 - error, 1.0)));
}

constexpr double kPi = 3.14159265358979323846;

// To [-pi, pi), with the rounding of the official code: by the reciprocal of the turn.
inline float normal_heading(double heading) {
  const double from_start = heading + kPi, turn = 2 * kPi;
  const double rest = from_start - std::trunc(from_start * (1 / turn)) * turn;
  const double shifted = turn + rest;
  return static_cast<float>((rest >= 0 ? rest : shifted >= turn ? 0 : shifted) - kPi);
}

// 1 for the same heading, 0 for the opposite one.
inline float heading_accuracy(double prediction, double truth) {
  float apart = std::abs(normal_heading(prediction) - normal_heading(truth));
  if (apart > kPi) apart = static_cast<float>(2.0 * kPi - apart);
  return static_cast<float>(std::min(1.0, std::max(0.0, 1.0 - apart / kPi)));
}

inline int parts_of_type(Breakdown breakdown) {
  switch (breakdown) {
    case Breakdown::kRange:
      return 3;
    case Breakdown::kSize:
      return 2;
    case Breakdown::kVelocity:
    case Breakdown::kCamera:
      return 5;
    default:
      return 1;
  }
}

inline int num_shards(Breakdown breakdown) {
  if (breakdown == Breakdown::kOneShard) return 1;
  return breakdown == Breakdown::kAllButSign ? 2 : kTypes * parts_of_type(breakdown);
}

// Which part a box is in is known of the ground truth only: predictions take part in all parts that it might be in.
inline bool by_truth_only(Breakdown breakdown) {
  return breakdown == Breakdown::kVelocity || breakdown == Breakdown::kCamera;
}

// Cameras whose field of view holds the direction to a centre: bit 0 front, 1 and 2 front left and right, 3 and 4 sides.
inline unsigned cameras(const double* box) {
  constexpr double half_view = 25.2, to_degrees = 180.0 / kPi;
  constexpr double axis[5] = {0, 45, -45, 90, -90};
  const double direction = std::atan2(box[1], box[0]) * to_degrees;
  unsigned seen = 0;
  for (int k = 0; k < 5; ++k) {
    if (direction > axis[k] - half_view && direction < axis[k] + half_view) seen |= 1u << k;
  }
  return seen;
}

// The shard that a box counts in, or -1. `speed` (x, y in m/s) is read for velocities only.
inline int shard_of(Breakdown breakdown, const double* box, int type, const double* speed) {
  if (breakdown == Breakdown::kOneShard) return 0;
  if (breakdown == Breakdown::kAllButSign) return type == kSign ? 1 : 0;
  if (type == kUnknown) return -1;
  const int first = parts_of_type(breakdown) * (type - 1);
  switch (breakdown) {
    case Breakdown::kRange: {
      const double range = std::sqrt(box[0] * box[0] + box[1] * box[1] + box[2] * box[2]);
      return first + (range < 30 ? 0 : range < 50 ? 1 : 2);
    }
    case Breakdown::kSize:
      return first + (std::max({box[3], box[4], box[5]}) < 7 ? 0 : 1);
    case Breakdown::kVelocity: {
      const double fast = std::sqrt(speed[0] * speed[0] + speed[1] * speed[1]);
      return first + (fast < 0.2f ? 0 : fast < 1 ? 1 : fast < 3 ? 2 : fast < 10 ? 3 : 4);
    }
    case Breakdown::kCamera: {
      const unsigned seen = cameras(box);
      for (int k = 0; k < 5; ++k) {
        if (seen >> k & 1) return first + k;
      }
      return -1;
    }
    default:
      return first;
  }
}

// Whether a box takes part in the matching of a shard.
inline bool is_matched_in(Breakdown breakdown, int shard, const double* box, int type, int own_shard) {
  if (!by_truth_only(breakdown)) return own_shard == shard;
  if (type == kUnknown || shard / 5 != type - 1) return false;
  return breakdown == Breakdown::kVelocity || (cameras(box) >> shard % 5 & 1);
}

}  // namespace geopt::host::waymo
