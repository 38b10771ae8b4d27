// The loops of geopt.evaluation.nuscenes_tracking: every class, scene and score threshold.
#include <pybind11/stl.h>

#include "host/module.h"
#include "host/parallel.h"
#include "host/track_scene.h"

namespace geopt::host {
namespace {

using namespace tracking;
namespace py = pybind11;
template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

// The boxes of both sides, kept alive while they are scored. Jobs are pairs of class and scene, so that a class with
// most of the boxes does not keep one thread busy while others wait.
class TrackMatcher {
 public:
  TrackMatcher(Array<int64_t> scene_offsets, Array<int64_t> truth_offsets, Array<double> truth_xy,
               Array<int64_t> truth_track, Array<int64_t> predicted_offsets, Array<double> predicted_xy,
               Array<int64_t> predicted_track, Array<double> predicted_score)
      : arrays_(py::make_tuple(scene_offsets, truth_offsets, truth_xy, truth_track, predicted_offsets, predicted_xy,
                               predicted_track, predicted_score)),
        scene_offsets_(scene_offsets.data()),
        num_scenes_(scene_offsets.size() - 1),
        num_frames_(scene_offsets_[num_scenes_]),
        num_classes_(num_frames_ == 0 ? 0 : (truth_offsets.size() - 1) / num_frames_),
        truth_{truth_offsets.data(), truth_xy.data(), truth_track.data(), nullptr},
        predictions_{predicted_offsets.data(), predicted_xy.data(), predicted_track.data(), predicted_score.data()} {}

  std::vector<Array<double>> matched_scores(int num_threads) const {
    std::vector<std::vector<double>> found(num_classes_ * num_scenes_);
    {
      py::gil_scoped_release release;
      parallel_for(found.size(), num_threads, [&](size_t job) { scene(job).follow(0.0, &found[job]); });
    }
    std::vector<Array<double>> scores;
    for (int64_t c = 0; c < num_classes_; ++c) {
      std::vector<double> all;
      for (int64_t s = 0; s < num_scenes_; ++s) {
        const std::vector<double>& more = found[c * num_scenes_ + s];
        all.insert(all.end(), more.begin(), more.end());
      }
      scores.emplace_back(all.size(), all.data());
    }
    return scores;
  }

  py::tuple counts(const std::vector<std::vector<double>>& thresholds, int num_threads) const {
    std::vector<int64_t> first(num_classes_ + 1, 0);
    for (int64_t c = 0; c < num_classes_; ++c) first[c + 1] = first[c] + static_cast<int64_t>(thresholds.at(c).size());
    const int64_t total = first[num_classes_];
    Array<int64_t> counts({total, static_cast<int64_t>(kNumCounts)});
    Array<double> distances(total);
    int64_t* count = counts.mutable_data();
    double* distance = distances.mutable_data();
    {
      py::gil_scoped_release release;
      std::vector<std::vector<Counts>> found(num_classes_ * num_scenes_);
      parallel_for(found.size(), num_threads, [&](size_t job) {
        const std::vector<double>& of_class = thresholds[job / num_scenes_];
        if (of_class.empty()) return;
        SceneOfClass followed = scene(job);
        for (double threshold : of_class) found[job].push_back(followed.follow(threshold, nullptr));
      });
      for (int64_t c = 0; c < num_classes_; ++c) {
        for (int64_t k = first[c]; k < first[c + 1]; ++k) {
          Counts sum;  // in the order of scenes, whichever thread was done first
          for (int64_t s = 0; s < num_scenes_; ++s) sum += found[c * num_scenes_ + s][k - first[c]];
          std::copy(sum.of.begin(), sum.of.end(), count + k * kNumCounts);
          distance[k] = sum.distance;
        }
      }
    }
    return py::make_tuple(counts, distances);
  }

 private:
  SceneOfClass scene(size_t number) const {
    const int64_t job = static_cast<int64_t>(number);
    const int64_t frames = job / num_scenes_ * num_frames_, s = job % num_scenes_;
    return SceneOfClass(truth_, predictions_, frames + scene_offsets_[s], frames + scene_offsets_[s + 1]);
  }

  const py::tuple arrays_;
  const int64_t* scene_offsets_;
  const int64_t num_scenes_, num_frames_, num_classes_;
  const Boxes truth_, predictions_;
};

Array<int> assign(const Array<double>& cost) {
  const int rows = static_cast<int>(cost.shape(0)), cols = static_cast<int>(cost.shape(1));
  Assignment assignment;
  const std::vector<int>& column = assignment.solve(cost.data(), rows, cols);
  return Array<int>(rows, column.data());
}

}  // namespace

void bind_tracking(py::module_& m) {
  py::class_<TrackMatcher>(m, "TrackMatcher",
                           "Follows predicted tracks through ground truth, one class at a time.\n\n"
                           "Boxes of class c in frame f are rows offsets[c * F + f] up to the next offset; frames of "
                           "scene s are scene_offsets[s] up to the next. A track is a number that means the same "
                           "object within a scene.")
      .def(py::init<Array<int64_t>, Array<int64_t>, Array<double>, Array<int64_t>, Array<int64_t>, Array<double>,
                    Array<int64_t>, Array<double>>(),
           py::arg("scene_offsets"), py::arg("truth_offsets"), py::arg("truth_xy"), py::arg("truth_track"),
           py::arg("predicted_offsets"), py::arg("predicted_xy"), py::arg("predicted_track"),
           py::arg("predicted_score"))
      .def("matched_scores", &TrackMatcher::matched_scores, py::arg("num_threads"),
           "For each class the scores of matched predictions, identity switches left out, every prediction allowed.")
      .def("counts", &TrackMatcher::counts, py::arg("thresholds"), py::arg("num_threads"),
           "Counts (K, 11) and summed distances (K,) of all thresholds, class by class: frames, matches, switches, "
           "misses, false positives, ids mostly tracked, mostly lost, fragments, ids tracked, frames before the first "
           "match, frames of the longest gaps.");
  m.def("assign", &assign, py::arg("cost"),
        "Column of each row, -1 for none, of the cheapest assignment that scipy.optimize.linear_sum_assignment takes.");
}

}  // namespace geopt::host
