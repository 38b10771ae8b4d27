// Minimum-cost assignment by shortest augmenting paths, with a fixed choice among equal solutions.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace geopt::host {

// Source: Crouse, On implementing 2D rectangular assignment algorithms, IEEE TAES 2016.
//
// Scores of trackers depend on which of several cheapest assignments is taken, so the choice is part of the contract
// and is that of scipy.optimize.linear_sum_assignment: the smaller side is assigned row by row; a path grows to the
// nearest open column; of equally near ones the last free one in the list wins, or else the first; the list begins
// with the columns in descending order, and the last column in it takes the place of one that is closed.
class Assignment {
 public:
  // cost: (rows, cols) row-major, finite. Returns the column of every row, -1 where cols < rows left it without one.
  const std::vector<int>& solve(const double* cost, int rows, int cols) {
    const bool transposed = cols < rows;
    if (transposed) {
      flipped_.resize(static_cast<size_t>(rows) * cols);
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < cols; ++j) flipped_[size_t(j) * rows + i] = cost[size_t(i) * cols + j];
      cost = flipped_.data();
      std::swap(rows, cols);
    }
    begin(rows, cols);
    for (int row = 0; row < rows; ++row) assign(cost, row);
    return transposed ? row_of_col_ : col_of_row_;
  }

 private:
  void begin(int rows, int cols) {
    cols_ = cols;
    row_price_.assign(rows, 0.0);
    col_price_.assign(cols, 0.0);
    col_of_row_.assign(rows, -1);
    row_of_col_.assign(cols, -1);
    distance_.resize(cols);
    previous_row_.resize(cols);
  }

  // Finds the shortest path from `source` to a free column and moves every row on it one column along.
  void assign(const double* cost, int source) {
    open_.resize(cols_);
    for (int k = 0; k < cols_; ++k) open_[k] = cols_ - 1 - k;
    distance_.assign(cols_, std::numeric_limits<double>::infinity());
    closed_.clear();
    double length = 0.0;
    int row = source;
    int column;
    do {
      const double* row_cost = cost + static_cast<size_t>(row) * cols_;
      double nearest = std::numeric_limits<double>::infinity();
      size_t at = 0;
      for (size_t k = 0; k < open_.size(); ++k) {
        const int j = open_[k];
        const double reached = length + row_cost[j] - row_price_[row] - col_price_[j];
        if (reached < distance_[j]) {
          distance_[j] = reached;
          previous_row_[j] = row;
        }
        if (distance_[j] < nearest || (distance_[j] == nearest && row_of_col_[j] < 0)) {
          nearest = distance_[j];
          at = k;
        }
      }
      length = nearest;
      column = open_[at];
      open_[at] = open_.back();
      open_.pop_back();
      closed_.push_back(column);
      row = row_of_col_[column];
    } while (row >= 0);

    // Prices keep every reduced cost at zero or above. All closed columns but the last have a row.
    row_price_[source] += length;
    for (size_t k = 0; k + 1 < closed_.size(); ++k)
      row_price_[row_of_col_[closed_[k]]] += length - distance_[closed_[k]];
    for (int j : closed_) col_price_[j] -= length - distance_[j];

    do {
      row = previous_row_[column];
      row_of_col_[column] = row;
      std::swap(col_of_row_[row], column);
    } while (row != source);
  }

  int cols_ = 0;
  std::vector<double> row_price_, col_price_, distance_, flipped_;
  std::vector<int> col_of_row_, row_of_col_, previous_row_, open_, closed_;
};

}  // namespace geopt::host
