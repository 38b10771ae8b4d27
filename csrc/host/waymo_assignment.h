// Maximum-weight matching with the official choice among equal solutions.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

namespace geopt::host::waymo {

// Which of two predictions with the same box gets the ground truth decides over headings and no-label zones, so the
// choice is part of the contract. The official matcher is Kuhn and Munkres' algorithm on a square table, and its rules
// are kept: rows look for a partner in their order; labels begin with the greatest weight of each row and 0 for each
// column; the tree grows breadth first over tight edges, columns ascending, and the first free column met ends it; when
// no tight edge leads on, labels change by the least slack, and new columns queue by the earliest row of the tree that
// reaches them, then by number. That code tries all rows again after each change of labels. Here each column keeps its
// slack and the earliest row that attains it, and a row with a free tight column of its own takes it without a tree.
//
// Source: Munkres, Algorithms for the assignment and transportation problems, SIAM 1957; rules as of the official code.
class Assignment {
 public:
  // rows[i]: n weights of row i, none negative; greatest[i] the largest of them. Returns the column of each row.
  const std::vector<int>& solve(const std::vector<const int*>& rows, const std::vector<int>& greatest) {
    n_ = static_cast<int>(rows.size());
    rows_ = rows.data();
    row_label_ = greatest;
    column_label_.assign(n_, 0);
    column_of_.assign(n_, -1);
    row_of_.assign(n_, -1);
    slack_.resize(n_);
    from_.resize(n_);
    for (int root = 0; root < n_; ++root) {
      if (!take_free_column(root)) grow(root);
    }
    return column_of_;
  }

 private:
  bool take_free_column(int row) {
    const int* weight = rows_[row];
    const int label = row_label_[row];
    for (int j = 0; j < n_; ++j) {
      if (row_of_[j] < 0 && label + column_label_[j] == weight[j]) {
        row_of_[j] = row;
        column_of_[row] = j;
        return true;
      }
    }
    return false;
  }

  // Columns enter the queue in the order in which they will be visited; the k-th column visited brings row k + 1.
  void grow(int root) {
    tree_.assign(1, root);
    queue_.clear();
    is_queued_.assign(n_, 0);
    slack_.assign(n_, std::numeric_limits<int>::max());
    if (reach_from(0)) return;
    for (size_t next = 0;; ++next) {
      if (next == queue_.size() && change_labels()) return;
      tree_.push_back(row_of_[queue_[next]]);
      if (reach_from(static_cast<int>(next) + 1)) return;
    }
  }

  // Lowers the slacks to what row `at` of the tree has to offer and queues its tight columns. True if one was free.
  bool reach_from(int at) {
    const int row = tree_[at];
    const int* weight = rows_[row];
    const int label = row_label_[row];
    for (int j = 0; j < n_; ++j) {
      if (is_queued_[j]) continue;
      const int slack = label + column_label_[j] - weight[j];
      if (slack < slack_[j]) {
        slack_[j] = slack;
        from_[j] = at;
      }
      if (slack != 0) continue;
      if (row_of_[j] < 0) return augment(j);
      is_queued_[j] = 1;
      queue_.push_back(j);
    }
    return false;
  }

  // Every queued column has been visited. True if a column that became tight was free.
  bool change_labels() {
    int least = std::numeric_limits<int>::max();
    for (int j = 0; j < n_; ++j) {
      if (!is_queued_[j]) least = std::min(least, slack_[j]);
    }
    for (int row : tree_) row_label_[row] -= least;
    for (int j : queue_) column_label_[j] += least;
    const size_t first_new = queue_.size();
    for (int j = 0; j < n_; ++j) {
      if (is_queued_[j]) continue;
      slack_[j] -= least;
      if (slack_[j] != 0) continue;
      is_queued_[j] = 1;
      queue_.push_back(j);
    }
    std::sort(queue_.begin() + first_new, queue_.end(),
              [this](int a, int b) { return from_[a] != from_[b] ? from_[a] < from_[b] : a < b; });
    for (size_t k = first_new; k < queue_.size(); ++k) {
      if (row_of_[queue_[k]] < 0) return augment(queue_[k]);
    }
    return false;
  }

  // Moves every row on the way from a free column to the root one column along.
  bool augment(int column) {
    for (;;) {
      const int row = tree_[from_[column]];
      const int left = column_of_[row];
      column_of_[row] = column;
      row_of_[column] = row;
      if (left < 0) return true;
      column = left;
    }
  }

  int n_ = 0;
  const int* const* rows_ = nullptr;
  std::vector<int> row_label_, column_label_, column_of_, row_of_, slack_, from_, tree_, queue_;
  std::vector<char> is_queued_;
};

}  // namespace geopt::host::waymo
