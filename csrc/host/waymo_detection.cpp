// The Waymo detection benchmark: all frames, all cutoffs, all breakdowns.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "host/module.h"
#include "host/parallel.h"
#include "host/waymo_matching.h"
#include "host/waymo_precision.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

using namespace waymo;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;
template <typename T>
using In = const Array<T>&;

constexpr size_t FRAMES_AT_ONCE = 128;  // their counts are kept until they are added: 45 kB each officially

// Rows by frame, in their own order: those of frame f are rows[offsets[f]] up to rows[offsets[f + 1]].
struct ByFrame {
  std::vector<size_t> offsets, rows;

  ByFrame(const int64_t* frame, size_t count, size_t num_frames) : offsets(num_frames + 1, 0), rows(count) {
    for (size_t i = 0; i < count; ++i) ++offsets[static_cast<size_t>(frame[i]) + 1];
    for (size_t f = 0; f < num_frames; ++f) offsets[f + 1] += offsets[f];
    std::vector<size_t> next(offsets.begin(), offsets.end() - 1);
    for (size_t i = 0; i < count; ++i) rows[next[static_cast<size_t>(frame[i])]++] = i;
  }
  int size(size_t f) const { return static_cast<int>(offsets[f + 1] - offsets[f]); }
  const size_t* of(size_t f) const { return rows.data() + offsets[f]; }
};

struct Sums {
  int64_t hits = 0, false_alarms = 0, misses[2] = {0, 0};
  float heading_accuracy = 0, affinity = 0;

  void operator+=(const Counts& counts) {
    hits += counts.hits;
    false_alarms += counts.false_alarms;
    for (int level = 0; level < 2; ++level) misses[level] += counts.misses[level];
    heading_accuracy += counts.heading_accuracy;
    affinity += counts.affinity;
  }
};

std::vector<Sums> count_all(const Config& config, const Columns& predictions, const Columns& truths,
                            const ByFrame& predicted, const ByFrame& annotated, size_t num_frames, int num_threads) {
  const size_t per_frame = config.num_all_shards() * config.score_cutoffs.size();
  std::vector<Sums> sums(per_frame);
  std::vector<Counts> counts(per_frame * std::min(num_frames, FRAMES_AT_ONCE));
  for (size_t first = 0; first < num_frames; first += FRAMES_AT_ONCE) {
    const size_t now = std::min(FRAMES_AT_ONCE, num_frames - first);
    std::fill(counts.begin(), counts.end(), Counts{});
    parallel_for((now + 7) / 8, num_threads, [&](size_t task) {
      FrameMatcher matcher(config);
      for (size_t k = 8 * task; k < std::min(now, 8 * task + 8); ++k) {
        const size_t f = first + k;
        matcher.count(predictions, truths, predicted.of(f), predicted.size(f), annotated.of(f), annotated.size(f),
                      counts.data() + k * per_frame);
      }
    });
    for (size_t k = 0; k < now; ++k) {
      for (size_t i = 0; i < per_frame; ++i) sums[i] += counts[k * per_frame + i];
    }
  }
  return sums;
}

// Frames are 0 to num_frames - 1. levels: those of each breakdown. tolerance: sensor x, y, z, share of the range, least
// tolerance (m), alignment; or empty. Returns (ap, curve [precision, recall, tp, fp, fn], curve by heading, curve by
// affinity, [breakdown, shard, level]), a row for each breakdown, shard and level; ap holds AP, APH, APL.
py::tuple waymo_detection(In<double> predicted_box, In<uint8_t> predicted_type, In<float> predicted_score,
                          In<int64_t> predicted_frame, In<bool> predicted_nlz, In<double> true_box,
                          In<uint8_t> true_type, In<int64_t> true_frame, In<uint8_t> true_difficulty,
                          In<double> true_speed, size_t num_frames, const std::vector<int>& breakdowns,
                          const std::vector<std::vector<int>>& levels, const std::vector<float>& iou_thresholds,
                          int box_type, int matcher, const std::vector<float>& score_cutoffs, float recall_delta,
                          const std::vector<double>& tolerance, int num_threads) {
  Config config;
  for (int breakdown : breakdowns) config.breakdowns.push_back(static_cast<Breakdown>(breakdown));
  config.iou_thresholds = iou_thresholds;
  config.score_cutoffs = score_cutoffs;
  config.box_type = static_cast<BoxType>(box_type);
  config.matcher = static_cast<Matcher>(matcher);
  if (!tolerance.empty()) {
    config.tolerance.enabled = true;
    std::copy_n(tolerance.begin(), 3, config.tolerance.sensor);
    config.tolerance.share_of_range = static_cast<float>(tolerance[3]);
    config.tolerance.least_m = static_cast<float>(tolerance[4]);
    config.tolerance.align = static_cast<Align>(static_cast<int>(tolerance[5]));
  }
  Columns predictions{predicted_box.data(), predicted_type.data()}, truths{true_box.data(), true_type.data()};
  predictions.score = predicted_score.data();
  predictions.nlz = predicted_nlz.data();
  truths.difficulty = true_difficulty.data();
  truths.speed = true_speed.size() > 0 ? true_speed.data() : nullptr;

  const auto cutoffs = static_cast<py::ssize_t>(score_cutoffs.size());
  py::ssize_t num_rows = 0;
  for (size_t b = 0; b < breakdowns.size(); ++b) {
    num_rows += num_shards(config.breakdowns[b]) * static_cast<py::ssize_t>(levels[b].size());
  }
  Array<float> ap({num_rows, py::ssize_t{3}}), curve({num_rows, cutoffs, py::ssize_t{5}});
  Array<float> by_heading({num_rows, cutoffs, py::ssize_t{2}}), by_affinity({num_rows, cutoffs, py::ssize_t{2}});
  Array<uint8_t> parts({num_rows, py::ssize_t{3}});
  float *ap_out = ap.mutable_data(), *curve_out = curve.mutable_data();
  float *heading_out = by_heading.mutable_data(), *affinity_out = by_affinity.mutable_data();
  uint8_t* parts_out = parts.mutable_data();
  {
    py::gil_scoped_release release;
    const ByFrame predicted(predicted_frame.data(), predicted_frame.size(), num_frames);
    const ByFrame annotated(true_frame.data(), true_frame.size(), num_frames);
    const std::vector<Sums> sums =
        count_all(config, predictions, truths, predicted, annotated, num_frames, num_threads);

    const Sums* at = sums.data();
    std::vector<float> recalls, precisions[3];
    for (size_t b = 0; b < breakdowns.size(); ++b) {
      for (int shard = 0; shard < num_shards(config.breakdowns[b]); ++shard, at += cutoffs) {
        for (int level : levels[b]) {
          recalls.clear();
          for (auto& values : precisions) values.clear();
          for (const Sums* sum = at; sum < at + cutoffs; ++sum) {
            const Totals totals{sum->hits, sum->false_alarms, sum->misses[level - 1], sum->heading_accuracy,
                                sum->affinity};
            recalls.push_back(recall(totals));
            precisions[0].push_back(precision(static_cast<float>(totals.hits), totals));
            precisions[1].push_back(precision(totals.heading_accuracy, totals));
            precisions[2].push_back(precision(totals.affinity, totals));
            *curve_out++ = precisions[0].back();
            *curve_out++ = recalls.back();
            for (int64_t count : {totals.hits, totals.false_alarms, totals.misses}) {
              *curve_out++ = static_cast<float>(count);
            }
            *heading_out++ = precisions[1].back();
            *heading_out++ = recalls.back();
            *affinity_out++ = precisions[2].back();
            *affinity_out++ = recalls.back();
          }
          for (const auto& values : precisions) *ap_out++ = average_precision(values, recalls, recall_delta);
          for (int part : {breakdowns[b], shard, level}) *parts_out++ = static_cast<uint8_t>(part);
        }
      }
    }
  }
  return py::make_tuple(ap, curve, by_heading, by_affinity, parts);
}

Array<float> waymo_iou(In<double> a, In<double> b, int box_type) {
  const auto count = a.shape(0);
  Array<float> out(count);
  const double *first = a.data(), *second = b.data();
  float* found = out.mutable_data();
  py::gil_scoped_release release;
  const auto type = static_cast<BoxType>(box_type);
  for (py::ssize_t i = 0; i < count; ++i) found[i] = iou(Box(first + 7 * i, type), Box(second + 7 * i, type), type, {});
  return out;
}

std::vector<int> waymo_assignment(In<int> weights) {
  const auto n = static_cast<size_t>(weights.shape(0));
  std::vector<const int*> rows;
  std::vector<int> greatest;
  for (size_t i = 0; i < n; ++i) {
    rows.push_back(weights.data() + i * n);
    greatest.push_back(*std::max_element(rows[i], rows[i] + n));
  }
  Assignment assignment;
  return assignment.solve(rows, greatest);
}

float waymo_average_precision(const std::vector<float>& precisions, const std::vector<float>& recalls, float delta) {
  return average_precision(precisions, recalls, delta);
}

}  // namespace

void bind_waymo_detection(py::module_& m) {
  m.def("waymo_detection", &waymo_detection, py::arg("predicted_box"), py::arg("predicted_type"),
        py::arg("predicted_score"), py::arg("predicted_frame"), py::arg("predicted_nlz"), py::arg("true_box"),
        py::arg("true_type"), py::arg("true_frame"), py::arg("true_difficulty"), py::arg("true_speed"),
        py::arg("num_frames"), py::arg("breakdowns"), py::arg("levels"), py::arg("iou_thresholds"),
        py::arg("box_type"), py::arg("matcher"), py::arg("score_cutoffs"), py::arg("recall_delta"),
        py::arg("tolerance"), py::arg("num_threads"));
  m.def("waymo_iou", &waymo_iou, py::arg("a"), py::arg("b"), py::arg("box_type"),
        "(N,) overlap of row i of a with row i of b; z is the centre.");
  m.def("waymo_assignment", &waymo_assignment, py::arg("weights"),
        "Column of each row of a square table of weights >= 0, the sum of weights the greatest there is.");
  m.def("waymo_average_precision", &waymo_average_precision, py::arg("precisions"), py::arg("recalls"),
        py::arg("delta"));
}

}  // namespace geopt::host
