// What the tests of kernels share: checks that count, memory of exactly the size asked for, random numbers, digests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

namespace geopt::test {

// Says what does not hold, for which case, and goes on: one run shows all.
bool check(bool holds, const char* what, const char* file, int line);
#define CHECK(condition) ::geopt::test::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)

// What is named beside a check that does not hold.
void set_case(const std::string& name);
int64_t num_checks();
int64_t num_failures();

// Fills new memory; another value for each way to run, so that results may not depend on memory that nobody wrote.
void set_filling(unsigned char byte);
unsigned char filling();

// Memory of exactly this size, so that a sanitizer sees each step past it; null for none, as torch has it.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t size = 0) : size_(size), data_(size > 0 ? new T[size] : nullptr) {
    if (size > 0) std::memset(static_cast<void*>(data_.get()), filling(), size * sizeof(T));
  }
  template <class Values>
  static Buffer of(const Values& values) {
    Buffer made(static_cast<int64_t>(values.size()));
    for (int64_t i = 0; i < made.size_; ++i) made.data_[i] = values[i];
    return made;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  const T* begin() const { return data_.get(); }
  const T* end() const { return data_.get() + size_; }

 private:
  int64_t size_;
  std::unique_ptr<T[]> data_;
};

// SplitMix64 (Steele et al., Fast splittable pseudorandom number generators, OOPSLA 2014): the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t count) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(count)); }
  float between(float low, float high) { return low + (high - low) * (static_cast<float>(bits() >> 40) * 0x1p-24f); }

 private:
  uint64_t state_;
};

// One number for all results of a name (FNV-1a over their bits; every NaN counts as the same).
class Digests {
 public:
  template <class T>
  void add(const std::string& name, const T* values, int64_t count) {
    uint64_t& digest = of_.try_emplace(name, 0xcbf29ce484222325u).first->second;
    for (int64_t i = 0; i < count; ++i) {
      unsigned char bytes[sizeof(T)];
      T value = values[i];
      if constexpr (std::is_floating_point_v<T>) value = std::isnan(value) ? T(-77.125) : value;
      std::memcpy(bytes, &value, sizeof(T));
      for (const unsigned char byte : bytes) digest = (digest ^ byte) * 0x100000001b3u;
    }
  }
  template <class T>
  void add(const std::string& name, const Buffer<T>& values) {
    add(name, values.data(), values.size());
  }
  const std::map<std::string, uint64_t>& all() const { return of_; }

 private:
  std::map<std::string, uint64_t> of_;
};

}  // namespace geopt::test
