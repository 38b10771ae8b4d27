// Who follows whom: predicted tracks of one class through the ground truth of one scene.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "host/assignment.h"

namespace geopt::host::tracking {

constexpr double kMaxDistance = 2.0;  // metres; a pair this far apart or farther cannot match
constexpr double kFar = std::numeric_limits<double>::infinity();

// Boxes of one side. Those of class c in frame f are rows offsets[c * num_frames + f] up to the next offset.
struct Boxes {
  const int64_t* offsets;
  const double* xy;
  const int64_t* track;
  const double* score;  // predictions only
};

// The sums from which all metrics of one class at one threshold follow. Frames are those with any box of the class.
enum Count {
  kFrames,
  kMatches,
  kSwitches,
  kMisses,
  kFalsePositives,
  kMostlyTracked,
  kMostlyLost,
  kFragments,
  kTrackedIds,     // ids tracked at least once, of which also
  kInitialFrames,  // the frames before the first match, and
  kGapFrames,      // the frames of the longest gap
  kNumCounts
};

struct Counts {
  std::array<int64_t, kNumCounts> of{};
  double distance = 0.0;  // metres, of all matches and switches

  void operator+=(const Counts& other) {
    for (int i = 0; i < kNumCounts; ++i) of[i] += other.of[i];
    distance += other.distance;
  }
};

// Distance from |a|^2 - 2 a.b + |b|^2, as the official code has it: at map coordinates it is off by up to 1e-5 m. The
// error is that of a BLAS with fused multiply-add, which sums a.b from x to y in a product of matrices, and from y to
// x in a product of a matrix and a vector (a single box on one of the two sides).
inline double distance(const double* a, const double* b, bool is_vector_product) {
  const double dot = is_vector_product ? std::fma(a[0], b[0], a[1] * b[1]) : std::fma(a[1], b[1], a[0] * b[0]);
  double squared = -2.0 * dot;
  squared += a[0] * a[0] + a[1] * a[1];
  squared += b[0] * b[0] + b[1] * b[1];
  const double d = std::sqrt(std::max(squared, 0.0));
  return d < kMaxDistance ? d : kFar;
}

// Numbers 0, 1, ... for the tracks of rows [begin, end).
inline int number_tracks(const int64_t* track, int64_t begin, int64_t end, std::vector<int>& number) {
  std::vector<int64_t> ids(track + begin, track + end);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  number.resize(end - begin);
  for (int64_t row = begin; row < end; ++row)
    number[row - begin] = static_cast<int>(std::lower_bound(ids.begin(), ids.end(), track[row]) - ids.begin());
  return static_cast<int>(ids.size());
}

// What has happened to one ground truth id so far.
struct History {
  int hypothesis = -1;  // of its last match, kept through frames without one
  int64_t first_frame = -1, last_frame = -1, first_tracked = -1, last_tracked = -1;
  int64_t boxes = 0, tracked = 0, longest_gap = 0, fragments = 0;
  bool missed_since = false;

  void see(int64_t frame, bool is_tracked) {
    if (first_frame < 0) first_frame = frame;
    last_frame = frame;
    ++boxes;
    if (!is_tracked) {
      missed_since = true;
      return;
    }
    ++tracked;
    longest_gap = std::max(longest_gap, frame - (first_tracked < 0 ? first_frame : last_tracked + 1));
    if (first_tracked < 0) {
      first_tracked = frame;
    } else if (missed_since) {
      ++fragments;
    }
    missed_since = false;
    last_tracked = frame;
  }

  void add_to(Counts& counts) const {
    if (boxes == 0) return;
    const double ratio = static_cast<double>(tracked) / static_cast<double>(boxes);
    counts.of[kMostlyTracked] += ratio >= 0.8;
    counts.of[kMostlyLost] += ratio < 0.2;
    counts.of[kFragments] += fragments;
    if (tracked == 0) return;
    ++counts.of[kTrackedIds];
    counts.of[kInitialFrames] += first_tracked - first_frame;
    counts.of[kGapFrames] += std::max(longest_gap, last_frame - last_tracked);
  }
};

// One class in one scene. Distances and numbers of tracks are found once and serve every threshold.
class SceneOfClass {
 public:
  SceneOfClass(const Boxes& truth, const Boxes& predictions, int64_t first, int64_t last)
      : truth_(truth), predictions_(predictions), first_(first), last_(last) {
    const int64_t t0 = truth.offsets[first], p0 = predictions.offsets[first];
    num_truth_ids_ = number_tracks(truth.track, t0, truth.offsets[last], truth_id_);
    num_predicted_ids_ = number_tracks(predictions.track, p0, predictions.offsets[last], predicted_id_);
    for (int64_t frame = first; frame < last; ++frame) {
      distance_at_.push_back(distances_.size());
      for (int64_t t = truth.offsets[frame]; t < truth.offsets[frame + 1]; ++t)
        for (int64_t p = predictions.offsets[frame]; p < predictions.offsets[frame + 1]; ++p)
          distances_.push_back(distance(truth.xy + 2 * t, predictions.xy + 2 * p, false));
    }
  }

  // Follows the predictions with score >= threshold; or all, if `scores` is given, which then gets the scores of those
  // whose id is matched in a frame without a switch. An id that is there twice counts twice.
  Counts follow(double threshold, std::vector<double>* scores) {
    Counts counts;
    history_.assign(num_truth_ids_, History());
    for (int64_t frame = first_; frame < last_; ++frame) {
      const int64_t t0 = truth_.offsets[frame], p0 = predictions_.offsets[frame];
      const int num_truth = static_cast<int>(truth_.offsets[frame + 1] - t0);
      chosen_.clear();
      for (int64_t p = p0; p < predictions_.offsets[frame + 1]; ++p)
        if (scores || predictions_.score[p] >= threshold) chosen_.push_back(static_cast<int>(p - p0));
      if (num_truth == 0 && chosen_.empty()) continue;
      const int* truth_id = truth_id_.data() + (t0 - truth_.offsets[first_]);
      const int* predicted_id = predicted_id_.data() + (p0 - predictions_.offsets[first_]);
      select_distances(frame, num_truth);
      match(truth_id, predicted_id, num_truth);

      int matched = 0;
      for (int t = 0; t < num_truth; ++t) {
        History& history = history_[truth_id[t]];
        const int c = match_of_truth_[t];
        history.see(counts.of[kFrames], c >= 0);
        if (c < 0) continue;
        ++matched;
        counts.distance += cost_[static_cast<size_t>(t) * chosen_.size() + c];
        ++counts.of[is_switch_[t] ? kSwitches : kMatches];
      }
      counts.of[kMisses] += num_truth - matched;
      counts.of[kFalsePositives] += static_cast<int64_t>(chosen_.size()) - matched;
      if (scores) collect_scores(predicted_id, p0, num_truth, *scores);
      ++counts.of[kFrames];
    }
    for (const History& history : history_) history.add_to(counts);
    return counts;
  }

 private:
  // cost_ (num_truth, chosen) in metres, infinite where a pair cannot match.
  void select_distances(int64_t frame, int num_truth) {
    const int64_t t0 = truth_.offsets[frame], p0 = predictions_.offsets[frame];
    const int64_t num_predictions = predictions_.offsets[frame + 1] - p0;
    const double* known = distances_.data() + distance_at_[frame - first_];
    const size_t num_chosen = chosen_.size();
    cost_.resize(num_truth * num_chosen);
    if ((num_truth == 1) != (num_chosen == 1)) {
      for (int t = 0; t < num_truth; ++t)
        for (size_t c = 0; c < num_chosen; ++c)
          cost_[t * num_chosen + c] =
              distance(truth_.xy + 2 * (t0 + t), predictions_.xy + 2 * (p0 + chosen_[c]), true);
      return;
    }
    for (int t = 0; t < num_truth; ++t)
      for (size_t c = 0; c < num_chosen; ++c) cost_[t * num_chosen + c] = known[t * num_predictions + chosen_[c]];
  }

  // First every id keeps the hypothesis that it had; then the rest is assigned at the least total distance.
  void match(const int* truth_id, const int* predicted_id, int num_truth) {
    const size_t num_chosen = chosen_.size();
    match_of_truth_.assign(num_truth, -1);
    is_switch_.assign(num_truth, 0);
    carried_.assign(num_truth, 0);
    taken_.assign(num_chosen, 0);
    for (int t = 0; t < num_truth; ++t) {
      const int hypothesis = history_[truth_id[t]].hypothesis;
      if (hypothesis < 0) continue;
      for (size_t c = 0; c < num_chosen; ++c) {
        if (taken_[c] || predicted_id[chosen_[c]] != hypothesis) continue;
        if (cost_[t * num_chosen + c] < kFar) {
          match_of_truth_[t] = static_cast<int>(c);
          carried_[t] = taken_[c] = 1;
        }
        break;  // only the first of that id is looked at
      }
    }
    assign_rest(num_truth, static_cast<int>(num_chosen));
    for (int t = 0; t < num_truth; ++t) {
      if (match_of_truth_[t] < 0 || carried_[t]) continue;
      int& hypothesis = history_[truth_id[t]].hypothesis;
      const int now = predicted_id[chosen_[match_of_truth_[t]]];
      is_switch_[t] = hypothesis >= 0 && hypothesis != now;
      hypothesis = now;
    }
  }

  void assign_rest(int num_truth, int num_chosen) {
    candidates_.clear();
    rivals_of_chosen_.assign(num_chosen, 0);
    bool contested = false;
    double farthest = 0.0;
    for (int t = 0; t < num_truth; ++t) {
      if (match_of_truth_[t] >= 0) continue;
      const size_t before = candidates_.size();
      for (int c = 0; c < num_chosen; ++c) {
        const double d = cost_[static_cast<size_t>(t) * num_chosen + c];
        if (taken_[c] || !(d < kFar)) continue;
        candidates_.push_back({t, c});
        contested |= ++rivals_of_chosen_[c] > 1;
        farthest = std::max(farthest, d);
      }
      contested |= candidates_.size() > before + 1;
    }
    if (!contested) {  // nobody shares a partner, so every pair is in the one best assignment
      for (const auto& [t, c] : candidates_) match_of_truth_[t] = c;
      return;
    }
    // All rows and columns take part, those that are done at the price of a pair that cannot match: which of several
    // equal assignments the solver finds depends on them.
    const double unmatchable = 2.0 * std::min(num_truth, num_chosen) * (farthest + 1.0) + 1.0;
    full_cost_.assign(static_cast<size_t>(num_truth) * num_chosen, unmatchable);
    for (const auto& [t, c] : candidates_) {
      const size_t cell = static_cast<size_t>(t) * num_chosen + c;
      full_cost_[cell] = cost_[cell];
    }
    const std::vector<int>& column = assignment_.solve(full_cost_.data(), num_truth, num_chosen);
    for (const auto& [t, c] : candidates_)
      if (column[t] == c) match_of_truth_[t] = c;
  }

  void collect_scores(const int* predicted_id, int64_t p0, int num_truth, std::vector<double>& scores) {
    id_matched_.assign(num_predicted_ids_, 0);
    for (int t = 0; t < num_truth; ++t)
      if (match_of_truth_[t] >= 0 && !is_switch_[t]) id_matched_[predicted_id[chosen_[match_of_truth_[t]]]] = 1;
    for (int p : chosen_)
      if (id_matched_[predicted_id[p]]) scores.push_back(predictions_.score[p0 + p]);
  }

  const Boxes truth_, predictions_;
  const int64_t first_, last_;
  std::vector<int> truth_id_, predicted_id_;
  int num_truth_ids_ = 0, num_predicted_ids_ = 0;
  std::vector<double> distances_;
  std::vector<size_t> distance_at_;

  std::vector<History> history_;
  std::vector<int> chosen_, match_of_truth_, rivals_of_chosen_;
  std::vector<char> is_switch_, carried_, taken_, id_matched_;
  std::vector<double> cost_, full_cost_;
  std::vector<std::pair<int, int>> candidates_;
  Assignment assignment_;
};

}  // namespace geopt::host::tracking
