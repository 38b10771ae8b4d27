// Whole division by a number that stays the same.
#pragma once

#include <cstdint>

namespace geopt {

// By a number below 2**32. A multiplication does it where the dividend is below 2**32 too.
// Source: Lemire, Kaser and Kurz, Faster remainder by direct computation, 2019, arXiv:1902.01961.
class Divisor {
 public:
  explicit Divisor(int64_t divisor) : divisor_(divisor), inverse_(divisor > 1 ? ~uint64_t{0} / divisor + 1 : 0) {}

  int64_t quotient(int64_t dividend) const {
    if (inverse_ == 0) return dividend;
    if (dividend >> 32 != 0) return dividend / divisor_;
    return static_cast<int64_t>(static_cast<unsigned __int128>(inverse_) * static_cast<uint64_t>(dividend) >> 64);
  }

  // Leaves the quotient in `number` and returns the remainder.
  int64_t split(int64_t& number) const {
    const int64_t whole = quotient(number), remainder = number - whole * divisor_;
    number = whole;
    return remainder;
  }

 private:
  int64_t divisor_;
  uint64_t inverse_;
};

}  // namespace geopt
