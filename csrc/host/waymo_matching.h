// One frame of the Waymo detection benchmark: which predictions take which ground truths, at each score cutoff.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "host/waymo_assignment.h"
#include "host/waymo_boxes.h"

namespace geopt::host::waymo {

enum class Matcher : int { kHungarian = 1, kScoreFirst = 2 };

struct Config {
  std::vector<Breakdown> breakdowns;
  std::vector<float> iou_thresholds;  // by type, unknown first
  std::vector<float> score_cutoffs;
  BoxType box_type;
  Matcher matcher;
  Tolerance tolerance;

  int num_all_shards() const {
    int sum = 0;
    for (Breakdown breakdown : breakdowns) sum += num_shards(breakdown);
    return sum;
  }
};

// Boxes of one side, all frames. Predictions have score and nlz, ground truths difficulty and speed.
struct Columns {
  const double* box;
  const uint8_t* type;
  const float* score = nullptr;
  const bool* nlz = nullptr;
  const uint8_t* difficulty = nullptr;
  const double* speed = nullptr;  // x, y in m/s; null where no breakdown asks
};

// What one cutoff of one shard found. Sums are float32 as officially; frames are added in ascending order.
struct Counts {
  int32_t hits = 0, false_alarms = 0;
  int32_t misses[2] = {0, 0};  // at LEVEL_1, LEVEL_2
  float heading_accuracy = 0, affinity = 0;
};

class FrameMatcher {
 public:
  explicit FrameMatcher(const Config& config) : config_(config) {}

  // `rows` of both sides are those of the frame, in their order. counts: (all shards, cutoffs), zeros before.
  void count(const Columns& predictions, const Columns& truths, const size_t* prediction_rows, int num_predictions,
             const size_t* truth_rows, int num_truths, Counts* counts) {
    predictions_ = &predictions;
    truths_ = &truths;
    prediction_rows_ = prediction_rows;
    truth_rows_ = truth_rows;
    num_predictions_ = num_predictions;
    num_truths_ = num_truths;
    compare();
    for (Breakdown breakdown : config_.breakdowns) {
      own_shard_.resize(num_truths);
      for (int g = 0; g < num_truths; ++g) {
        const double* speed = truths.speed == nullptr ? nullptr : truths.speed + 2 * truth_rows[g];
        own_shard_[g] = shard_of(breakdown, truth_box(g), truths.type[truth_rows[g]], speed);
      }
      prediction_shard_.assign(num_predictions, -1);
      for (int p = 0; !by_truth_only(breakdown) && p < num_predictions; ++p) {
        prediction_shard_[p] = shard_of(breakdown, prediction_box(p), predictions.type[prediction_rows[p]], nullptr);
      }
      for (int shard = 0; shard < num_shards(breakdown); ++shard) {
        count_shard(breakdown, shard, counts);
        counts += config_.score_cutoffs.size();
      }
    }
  }

 private:
  const double* prediction_box(int p) const { return predictions_->box + 7 * prediction_rows_[p]; }
  const double* truth_box(int g) const { return truths_->box + 7 * truth_rows_[g]; }
  size_t pair(int p, int g) const { return static_cast<size_t>(p) * num_truths_ + g; }

  // All pairs of the frame: overlap, affinity, whether they may match, and what the match would weigh.
  void compare() {
    const size_t num_pairs = static_cast<size_t>(num_predictions_) * num_truths_;
    iou_.assign(num_pairs, 0.0f);
    affinity_.assign(config_.tolerance.enabled ? num_pairs : 0, 0.0f);
    weight_.assign(num_pairs, 0);
    may_match_.assign(num_pairs, 0);
    std::vector<Box> boxes;
    boxes.reserve(num_truths_);
    for (int g = 0; g < num_truths_; ++g) boxes.emplace_back(truth_box(g), config_.box_type);
    for (int p = 0; p < num_predictions_; ++p) {
      const Box box(prediction_box(p), config_.box_type);
      const int type = predictions_->type[prediction_rows_[p]];
      const float threshold = config_.iou_thresholds[type];
      for (int g = 0; g < num_truths_; ++g) {
        const size_t k = pair(p, g);
        const bool same = type == truths_->type[truth_rows_[g]];
        if (same) iou_[k] = iou(box, boxes[g], config_.box_type, config_.tolerance);
        may_match_[k] = !(iou_[k] < threshold);
        float worth = iou_[k];
        if (config_.tolerance.enabled) {
          affinity_[k] = affinity(box.raw, boxes[g].raw, config_.tolerance);
          worth *= affinity_[k];
          if (affinity_[k] == 0.0f) may_match_[k] = 0;
        }
        if (worth > 0.0f) weight_[k] = static_cast<int>(std::round(worth * 1e6f));
      }
    }
  }

  void count_shard(Breakdown breakdown, int shard, Counts* counts) {
    shard_predictions_.clear();
    shard_truths_.clear();
    for (int p = 0; p < num_predictions_; ++p) {
      const int type = predictions_->type[prediction_rows_[p]];
      if (is_matched_in(breakdown, shard, prediction_box(p), type, prediction_shard_[p])) shard_predictions_.push_back(p);
    }
    for (int g = 0; g < num_truths_; ++g) {
      const int type = truths_->type[truth_rows_[g]];
      if (is_matched_in(breakdown, shard, truth_box(g), type, own_shard_[g])) shard_truths_.push_back(g);
    }
    if (shard_predictions_.empty() && shard_truths_.empty()) return;
    prepare(breakdown, shard);

    // Predictions at or above a cutoff are among those at or above a lower one: as many are the same ones.
    size_t counted = num_predictions_ + 1;
    for (size_t k = 0; k < config_.score_cutoffs.size(); ++k) {
      chosen_.clear();
      for (size_t i = 0; i < shard_predictions_.size(); ++i) {
        const float score = predictions_->score[prediction_rows_[shard_predictions_[i]]];
        if (score >= config_.score_cutoffs[k]) chosen_.push_back(static_cast<int>(i));
      }
      if (k > 0 && chosen_.size() == counted) {
        counts[k] = counts[k - 1];
        continue;
      }
      counted = chosen_.size();
      if (config_.matcher == Matcher::kHungarian) {
        match_by_weight();
      } else {
        match_by_score();
      }
      counts[k] = tally(shard, by_truth_only(breakdown));
    }
  }

  // The table of weights of the shard, as wide as the square table may become, and who overlaps another shard.
  void prepare(Breakdown breakdown, int shard) {
    const size_t num_rows = shard_predictions_.size(), num_columns = shard_truths_.size();
    const size_t width = std::max(num_rows, num_columns);
    table_.assign((num_rows + 1) * width, 0);  // the last row is that of a prediction that is not there
    row_greatest_.assign(num_rows, 0);
    for (size_t i = 0; i < num_rows; ++i) {
      for (size_t j = 0; j < num_columns; ++j) {
        const size_t k = pair(shard_predictions_[i], shard_truths_[j]);
        if (!may_match_[k]) continue;
        table_[i * width + j] = weight_[k];
        row_greatest_[i] = std::max(row_greatest_[i], weight_[k]);
      }
    }
    is_elsewhere_.assign(num_rows, 0);
    if (!by_truth_only(breakdown)) return;
    for (size_t i = 0; i < num_rows; ++i) {
      double largest = 0.01;  // a smaller overlap is none
      int at = -1;
      for (int g : shard_truths_) {
        const double overlap = iou_[pair(shard_predictions_[i], g)];
        if (overlap >= largest) {
          largest = overlap;
          at = g;
        }
      }
      is_elsewhere_[i] = at >= 0 && own_shard_[at] != shard;
    }
  }

  // Sets truth_of_ (by place in chosen_) and prediction_of_ (by place in shard_truths_), -1 for none.
  void match_by_weight() {
    truth_of_.assign(chosen_.size(), -1);
    prediction_of_.assign(shard_truths_.size(), -1);
    if (chosen_.empty() || shard_truths_.empty()) return;
    const size_t width = std::max(shard_predictions_.size(), shard_truths_.size());
    const size_t n = std::max(chosen_.size(), shard_truths_.size());
    table_rows_.assign(n, table_.data() + shard_predictions_.size() * width);
    greatest_.assign(n, 0);
    for (size_t i = 0; i < chosen_.size(); ++i) {
      table_rows_[i] = table_.data() + chosen_[i] * width;
      greatest_[i] = row_greatest_[chosen_[i]];
    }
    const std::vector<int>& column = assignment_.solve(table_rows_, greatest_);
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const auto j = static_cast<size_t>(column[i]);
      if (j >= shard_truths_.size() || !may_match_[pair(shard_predictions_[chosen_[i]], shard_truths_[j])]) continue;
      truth_of_[i] = static_cast<int>(j);
      prediction_of_[j] = static_cast<int>(i);
    }
  }

  // The official code looks the weights up by the places of the pair in their subsets, as if these were their places in
  // the frame; whether they may match is asked of the right pair.
  void match_by_score() {
    truth_of_.assign(chosen_.size(), -1);
    prediction_of_.assign(shard_truths_.size(), -1);
    order_.resize(chosen_.size());
    std::iota(order_.begin(), order_.end(), 0);
    const auto score = [this](int i) { return predictions_->score[prediction_rows_[shard_predictions_[chosen_[i]]]]; };
    std::sort(order_.begin(), order_.end(), [&](int a, int b) { return score(a) > score(b); });
    for (int i : order_) {
      int best = -1, greatest = -1;
      for (size_t j = 0; j < shard_truths_.size(); ++j) {
        if (prediction_of_[j] >= 0 || !may_match_[pair(shard_predictions_[chosen_[i]], shard_truths_[j])]) continue;
        const int weight = weight_[pair(i, static_cast<int>(j))];
        if (weight > greatest) {
          greatest = weight;
          best = static_cast<int>(j);
        }
      }
      if (best < 0) continue;
      truth_of_[i] = best;
      prediction_of_[best] = i;
    }
  }

  Counts tally(int shard, bool truth_only) const {
    Counts found;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const int p = shard_predictions_[chosen_[i]];
      const size_t row = prediction_rows_[p];
      if (truth_of_[i] < 0) {
        if (!predictions_->nlz[row] && !is_elsewhere_[chosen_[i]]) ++found.false_alarms;
        continue;
      }
      const int g = shard_truths_[truth_of_[i]];
      if (truth_only && own_shard_[g] != shard) continue;
      const float heading = heading_accuracy(prediction_box(p)[6], truth_box(g)[6]);
      ++found.hits;
      found.heading_accuracy += heading;
      found.affinity += config_.tolerance.enabled ? affinity_[pair(p, g)] : 1.0f;
    }
    for (size_t j = 0; j < shard_truths_.size(); ++j) {
      const int g = shard_truths_[j];
      if (prediction_of_[j] >= 0 || (truth_only && own_shard_[g] != shard)) continue;
      const int difficulty = truths_->difficulty[truth_rows_[g]];
      found.misses[0] += difficulty <= 1;
      found.misses[1] += difficulty <= 2;
    }
    return found;
  }

  const Config& config_;
  const Columns *predictions_ = nullptr, *truths_ = nullptr;
  const size_t *prediction_rows_ = nullptr, *truth_rows_ = nullptr;
  int num_predictions_ = 0, num_truths_ = 0;
  std::vector<float> iou_, affinity_;
  std::vector<int> weight_;
  std::vector<char> may_match_, is_elsewhere_;
  std::vector<int> own_shard_, prediction_shard_;
  std::vector<int> shard_predictions_, shard_truths_;  // of the frame
  std::vector<int> chosen_;                            // places in shard_predictions_
  std::vector<int> truth_of_, prediction_of_, order_;
  std::vector<int> table_, row_greatest_, greatest_;
  std::vector<const int*> table_rows_;
  Assignment assignment_;
};

}  // namespace geopt::host::waymo
