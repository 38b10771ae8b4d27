// Point labels of one frame: the confusion matrix of lidarseg, and which panoptic segments share how many points.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "host/module.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

constexpr int kClasses = 17;  // ignore, then the 16 of the benchmark
constexpr int kLabels = 256;  // of a byte
constexpr uint32_t kInstances = 1000;  // a panoptic label is kInstances * class + instance

template <typename T>
using Array = py::array_t<T, py::array::c_style>;
template <typename T>
using Rows = const Array<T>&;

template <typename T>
Array<T> to_array(const std::vector<T>& values) {
  return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

Array<int64_t> to_matrix(const std::vector<int64_t>& values) {
  return Array<int64_t>({kClasses, kClasses}, values.data());
}

// Returns (counts [truth class, predicted class], first point of an unknown true label, first one of a wrong prediction);
// the last two are -1 where all is well. Predictions must be 1 to 16.
std::tuple<Array<int64_t>, int64_t, int64_t> lidarseg_confusion(Rows<uint8_t> truth, Rows<uint8_t> prediction,
                                                               Rows<int16_t> class_of_index) {
  const uint8_t* t = truth.data();
  const uint8_t* p = prediction.data();
  const int16_t* class_of = class_of_index.data();
  const int64_t n = truth.size();
  std::vector<int64_t> counts(kClasses * kClasses, 0);
  int64_t bad_truth = -1, bad_prediction = -1;
  {
    py::gil_scoped_release release;
    // Neighbouring points have the same labels: two tables in turn spare the wait for the count just written.
    std::vector<uint32_t> pairs(2 * (kClasses + 1) * kLabels, 0);
    uint32_t* even = pairs.data();
    uint32_t* odd = even + (kClasses + 1) * kLabels;
    uint32_t row_of[kLabels];  // one more row counts unknown labels
    for (int label = 0; label < kLabels; ++label) {
      row_of[label] = (class_of[label] < 0 ? kClasses : class_of[label]) * kLabels;
    }
    int64_t i = 0;
    for (; i + 1 < n; i += 2) {
      ++even[row_of[t[i]] + p[i]];
      ++odd[row_of[t[i + 1]] + p[i + 1]];
    }
    if (i < n) ++even[row_of[t[i]] + p[i]];

    bool unknown = false, wrong = false;
    for (int row = 0; row <= kClasses; ++row) {
      for (int label = 0; label < kLabels; ++label) {
        const int64_t count = int64_t{even[row * kLabels + label]} + odd[row * kLabels + label];
        if (count == 0) continue;
        unknown |= row == kClasses;
        wrong |= label == 0 || label >= kClasses;
        if (row < kClasses && label < kClasses) counts[row * kClasses + label] = count;
      }
    }
    if (unknown) bad_truth = std::find_if(t, t + n, [&](uint8_t label) { return class_of[label] < 0; }) - t;
    if (wrong) bad_prediction = std::find_if(p, p + n, [](uint8_t x) { return x == 0 || x >= kClasses; }) - p;
  }
  return {to_matrix(counts), bad_truth, bad_prediction};
}

// The distinct values among labels, ascending, and how often each occurs.
struct Segments {
  std::vector<int64_t> label, points;
  std::vector<uint32_t> row_of;  // of each label below the largest + 1

  explicit Segments(const std::vector<uint32_t>& count) : row_of(count.size()) {
    for (size_t value = 0; value < count.size(); ++value) {
      if (count[value] == 0) continue;
      row_of[value] = static_cast<uint32_t>(label.size());
      label.push_back(static_cast<int64_t>(value));
      points.push_back(count[value]);
    }
  }
};

uint32_t largest(const uint32_t* values, int64_t n) { return n == 0 ? 0 : *std::max_element(values, values + n); }

// True labels carry fine categories below 256, predictions classes 0 to 16. Points whose true class is 0 take part in the
// confusion only. Returns (counts [truth class, predicted class], first point of an unknown category or -1,
// true segments: label, points; predicted segments: label, points; pairs that share points: true row, predicted row,
// points, ascending by rows).
py::tuple panoptic_segments(Rows<uint32_t> truth, Rows<uint32_t> prediction, Rows<int16_t> class_of_index) {
  const uint32_t* t = truth.data();
  const uint32_t* p = prediction.data();
  const int16_t* class_of = class_of_index.data();
  const int64_t n = truth.size();
  std::vector<int64_t> counts(kClasses * kClasses, 0);
  std::vector<int64_t> true_label, true_points, predicted_label, predicted_points, pair_true, pair_predicted, pair_points;
  int64_t bad_truth = -1;
  {
    py::gil_scoped_release release;
    std::vector<uint32_t> true_count(largest(t, n) + 1, 0), predicted_count(largest(p, n) + 1, 0);
    std::vector<int64_t> kept;
    kept.reserve(n);
    for (int64_t i = 0; i < n; ++i) {
      const int true_class = class_of[t[i] / kInstances];
      if (true_class < 0) {
        bad_truth = i;
        break;
      }
      ++counts[true_class * kClasses + p[i] / kInstances];
      if (true_class == 0) continue;
      ++true_count[t[i]];
      ++predicted_count[p[i]];
      kept.push_back(i);
    }

    Segments of_truth(true_count), of_prediction(predicted_count);
    // Predicted rows of the points of each true segment, one segment after another.
    std::vector<int64_t> next(of_truth.label.size() + 1, 0);
    std::partial_sum(of_truth.points.begin(), of_truth.points.end(), next.begin() + 1);
    std::vector<uint32_t> rows(kept.size());
    for (int64_t i : kept) rows[next[of_truth.row_of[t[i]]]++] = of_prediction.row_of[p[i]];

    std::vector<int64_t> shared(of_prediction.label.size(), 0);
    std::vector<uint32_t> touched;
    auto row = rows.begin();
    for (size_t segment = 0; segment < of_truth.label.size(); ++segment) {
      touched.clear();
      for (auto end = row + of_truth.points[segment]; row != end; ++row) {
        if (shared[*row]++ == 0) touched.push_back(*row);
      }
      std::sort(touched.begin(), touched.end());
      for (uint32_t predicted : touched) {
        pair_true.push_back(static_cast<int64_t>(segment));
        pair_predicted.push_back(predicted);
        pair_points.push_back(shared[predicted]);
        shared[predicted] = 0;
      }
    }
    true_label.swap(of_truth.label);
    true_points.swap(of_truth.points);
    predicted_label.swap(of_prediction.label);
    predicted_points.swap(of_prediction.points);
  }
  return py::make_tuple(to_matrix(counts), bad_truth, to_array(true_label), to_array(true_points),
                        to_array(predicted_label), to_array(predicted_points), to_array(pair_true),
                        to_array(pair_predicted), to_array(pair_points));
}

}  // namespace

void bind_segmentation(py::module_& m) {
  m.def("lidarseg_confusion", &lidarseg_confusion, py::arg("truth"), py::arg("prediction"), py::arg("class_of_index"));
  m.def("panoptic_segments", &panoptic_segments, py::arg("truth"), py::arg("prediction"), py::arg("class_of_index"));
}

}  // namespace geopt::host
