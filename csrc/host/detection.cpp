// Greedy matching of detections to annotated boxes by the distance of their centres on the ground.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "host/module.h"
#include "host/parallel.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Samples = py::array_t<std::int32_t, py::array::c_style>;

constexpr std::size_t SAMPLES_PER_TASK = 64;

inline double distance(const double* a, const double* b) {
  const double dx = a[0] - b[0], dy = a[1] - b[1];
  return std::sqrt(dx * dx + dy * dy);
}

// Rows by sample, in their own order: those of sample s are rows[offsets[s]] up to rows[offsets[s + 1]].
struct BySample {
  std::vector<std::size_t> offsets, rows;

  BySample(const Samples& sample, std::size_t num_samples) : offsets(num_samples + 1, 0) {
    const std::int32_t* of = sample.data();
    const auto count = static_cast<std::size_t>(sample.size());
    for (std::size_t i = 0; i < count; ++i) {
      if (of[i] >= 0) ++offsets[static_cast<std::size_t>(of[i]) + 1];
    }
    for (std::size_t s = 0; s < num_samples; ++s) offsets[s + 1] += offsets[s];
    rows.resize(offsets.back());
    std::vector<std::size_t> next(offsets.begin(), offsets.end() - 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (of[i] >= 0) rows[next[static_cast<std::size_t>(of[i])]++] = i;
    }
  }
};

py::array_t<std::int64_t> match_detections(const Doubles& predicted_xy, const Samples& predicted_sample,
                                           const Doubles& true_xy, const Samples& true_sample, std::size_t num_samples,
                                           const std::vector<double>& thresholds, int num_threads) {
  const auto num_predicted = predicted_sample.size();
  py::array_t<std::int64_t> out({static_cast<py::ssize_t>(thresholds.size()), num_predicted});
  std::int64_t* matched = out.mutable_data();
  const double* predicted = predicted_xy.data();
  const double* annotated = true_xy.data();

  py::gil_scoped_release release;
  std::fill_n(matched, static_cast<std::size_t>(out.size()), std::int64_t{-1});
  const BySample predictions(predicted_sample, num_samples), truths(true_sample, num_samples);
  const std::size_t num_tasks = (num_samples + SAMPLES_PER_TASK - 1) / SAMPLES_PER_TASK;
  parallel_for(num_tasks, num_threads, [&](std::size_t task) {
    std::vector<double> away;
    std::vector<char> taken;
    const std::size_t last = std::min(num_samples, (task + 1) * SAMPLES_PER_TASK);
    for (std::size_t s = task * SAMPLES_PER_TASK; s < last; ++s) {
      const std::size_t* truth_rows = truths.rows.data() + truths.offsets[s];
      const std::size_t num_truths = truths.offsets[s + 1] - truths.offsets[s];
      if (num_truths == 0) continue;
      away.resize(num_truths);
      taken.assign(num_truths * thresholds.size(), 0);
      for (std::size_t p = predictions.offsets[s]; p < predictions.offsets[s + 1]; ++p) {
        const std::size_t row = predictions.rows[p];
        for (std::size_t t = 0; t < num_truths; ++t) {
          away[t] = distance(predicted + 2 * row, annotated + 2 * truth_rows[t]);
        }
        for (std::size_t k = 0; k < thresholds.size(); ++k) {
          char* is_taken = taken.data() + k * num_truths;
          double nearest = std::numeric_limits<double>::infinity();
          std::size_t best = num_truths;
          for (std::size_t t = 0; t < num_truths; ++t) {
            if (!is_taken[t] && away[t] < nearest) {
              nearest = away[t];
              best = t;
            }
          }
          if (nearest < thresholds[k]) {
            is_taken[best] = 1;
            matched[k * static_cast<std::size_t>(num_predicted) + row] = static_cast<std::int64_t>(truth_rows[best]);
          }
        }
      }
    }
  });
  return out;
}

}  // namespace

void bind_detection(py::module_& m) {
  m.def("match_detections", &match_detections, py::arg("predicted_xy"), py::arg("predicted_sample"),
        py::arg("true_xy"), py::arg("true_sample"), py::arg("num_samples"), py::arg("thresholds"),
        py::arg("num_threads"),
        "(T, P) row of the annotated box that each prediction takes at each threshold, or -1. Predictions choose in "
        "their order, each the nearest box of its sample that is left; of equally near ones the first. A sample of -1 "
        "matches nothing.");
}

}  // namespace geopt::host
