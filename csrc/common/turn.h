// Sine and cosine with the same bits on every processor and GPU.
#pragma once

#include <math.h>

#include "common/macros.h"

namespace geopt {

struct Turn {
  double cosine, sine;
};

// Within 3e-16 of the cosine and sine of an angle that is the given one to its last bit; NaN for an angle that is not
// finite. The libraries of host and device differ in the last bit, and a box could be suppressed on one of them only;
// here every operation is exact or rounded once.
GEOPT_HD Turn make_turn(double angle_rad) {
  // fmod is exact. The double next to 2 pi is off by 4e-17 of it: less than half a unit in the last place of the angle.
  const double within = fmod(angle_rad, 6.283185307179586);
  const double quarters = floor(within * 0.6366197723675814 + 0.5);  // -4 .. 4
  // pi / 2 in two parts. The first has 33 bits, so that its multiples and the first difference are exact.
  const double x = (within - quarters * 1.5707963267341256) - quarters * 6.077100506506192e-11;
  const double q = x * x;  // at most (pi / 4)^2: the first terms of the series that are left out are below 3e-18
  double sine = 1.0 / 355687428096000;
  sine = 1.0 / 1307674368000 - q * sine;
  sine = 1.0 / 6227020800 - q * sine;
  sine = 1.0 / 39916800 - q * sine;
  sine = 1.0 / 362880 - q * sine;
  sine = 1.0 / 5040 - q * sine;
  sine = 1.0 / 120 - q * sine;
  sine = 1.0 / 6 - q * sine;
  sine = x - x * (q * sine);
  double cosine = 1.0 / 20922789888000;
  cosine = 1.0 / 87178291200 - q * cosine;
  cosine = 1.0 / 479001600 - q * cosine;
  cosine = 1.0 / 3628800 - q * cosine;
  cosine = 1.0 / 40320 - q * cosine;
  cosine = 1.0 / 720 - q * cosine;
  cosine = 1.0 / 24 - q * cosine;
  cosine = 0.5 - q * cosine;
  cosine = 1.0 - q * cosine;
  const bool odd = quarters == 1.0 || quarters == -1.0 || quarters == 3.0 || quarters == -3.0;
  const double c = odd ? sine : cosine, s = odd ? cosine : sine;
  const bool flips_cosine = quarters == 1.0 || quarters == 2.0 || quarters == -2.0 || quarters == -3.0;
  const bool flips_sine = quarters == 2.0 || quarters == 3.0 || quarters == -1.0 || quarters == -2.0;
  return {flips_cosine ? -c : c, flips_sine ? -s : s};
}

}  // namespace geopt
