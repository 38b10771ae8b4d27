// From counts to precision, recall and the area below them, in float32 where the official code has float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

namespace geopt::host::waymo {

// Area below precision over recall. Precision at a recall is the best at it or beyond; where two recalls are more than
// `delta` apart, points at steps of `delta` below the higher one hold its precision, and the last piece is linear. The
// point at recall 0 takes the precision of the one before it.
inline float average_precision(const std::vector<float>& precisions, const std::vector<float>& recalls, float delta) {
  if (precisions.empty()) return 0.0f;
  std::map<float, float> best{{0.0f, 1.0f}};
  for (size_t i = 0; i < precisions.size(); ++i) {
    float& known = best[recalls[i]];
    known = std::max(known, precisions[i]);
  }
  struct Point {
    float recall, precision;
  };
  std::vector<Point> points;
  constexpr float slack = 1e-6f;
  float last = best.begin()->first, highest = 0.0f;
  for (auto at = best.rbegin(); at != best.rend(); ++at) {
    while (last - at->first > delta + slack) {
      last -= delta;
      points.push_back({last, highest});
    }
    highest = std::max(highest, at->second);
    last = at->first;
    points.push_back({last, highest});
  }
  if (points.size() >= 2) points.back().precision = std::prev(points.end(), 2)->precision;
  float area = 0.0f;
  for (size_t i = 1; i < points.size(); ++i) {
    const float step = points[i - 1].recall - points[i].recall;
    const float sum = points[i - 1].precision + points[i].precision;
    area = static_cast<float>(area + 0.5 * step * sum);
  }
  return area;
}

// Totals over all frames of one cutoff of one shard, at one level of difficulty.
struct Totals {
  int64_t hits, false_alarms, misses;
  float heading_accuracy, affinity;
};

// Precision of `worth` among predictions; 1 where nothing is recalled.
inline float precision(float worth, const Totals& totals) {
  if (totals.hits == 0) return 1.0f;
  return worth / static_cast<float>(totals.hits + totals.false_alarms);
}

inline float recall(const Totals& totals) {
  const int64_t truths = totals.hits + totals.misses;
  return truths == 0 ? 0.0f : static_cast<float>(totals.hits) / static_cast<float>(truths);
}

}  // namespace geopt::host::waymo
