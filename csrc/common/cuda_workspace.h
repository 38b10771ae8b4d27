// Cuts one caller-given block of device memory into aligned arrays; the same cuts measure its size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace geopt {

class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* take(int64_t count) {
    T* out = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (count * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return out;
  }

  int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

inline int64_t num_blocks(int64_t count, int64_t threads) { return (count + threads - 1) / threads; }

}  // namespace geopt
