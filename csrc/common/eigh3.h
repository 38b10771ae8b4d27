// Eigenvalues and eigenvectors of a symmetric 3x3 matrix in double, by cyclic Jacobi rotations.
// Source: Golub and Van Loan, Matrix Computations, 4th edition, section 8.5.
#pragma once

#include <math.h>

#include "common/macros.h"

namespace geopt {

// Zeroes m[P][Q] with one rotation and carries it into the rows of v; R is the third axis. False when m[P][Q] was
// already below the rounding of the two values it couples.
template <int P, int Q, int R>
GEOPT_HD bool jacobi_rotate(double m[3][3], double v[3][3]) {
  const double apq = m[P][Q];
  if (!(apq * apq > 1e-33 * fabs(m[P][P] * m[Q][Q]) && apq * apq > 1e-200)) return false;
  const double e = 2.0 * apq, d = m[Q][Q] - m[P][P];
  const double h = fabs(d) + sqrt(d * d + e * e);  // tangent of the smaller angle = e / h, with the sign of d
  const double inverse = 1.0 / sqrt(h * h + e * e);
  const double c = h * inverse, s = d < 0.0 ? -e * inverse : e * inverse;
  const double shift = (d < 0.0 ? -e : e) / h * apq;
  m[P][P] -= shift;
  m[Q][Q] += shift;
  m[P][Q] = m[Q][P] = 0.0;
  const double arp = m[R][P], arq = m[R][Q];
  m[R][P] = m[P][R] = c * arp - s * arq;
  m[R][Q] = m[Q][R] = s * arp + c * arq;
  for (int a = 0; a < 3; ++a) {
    const double vp = v[P][a], vq = v[Q][a];
    v[P][a] = c * vp - s * vq;
    v[Q][a] = s * vp + c * vq;
  }
  return true;
}

// Puts the smaller value, with its vector, at I; equal values keep their order.
template <int I, int J>
GEOPT_HD void order_pair(double values[3], double vectors[3][3]) {
  if (!(values[J] < values[I])) return;
  const double value = values[I];
  values[I] = values[J];
  values[J] = value;
  for (int a = 0; a < 3; ++a) {
    const double entry = vectors[I][a];
    vectors[I][a] = vectors[J][a];
    vectors[J][a] = entry;
  }
}

// a is xx, xy, xz, yy, yz, zz. values ascend; the row vectors[i] belongs to values[i]: of unit length, orthogonal to the
// others, sign as it falls. Errors are a few roundings of the largest value, whatever its magnitude. A matrix with a
// NaN or an infinity gives NaN values and the identity. The same bits on host and device.
GEOPT_HD void eigh3(const double a[6], double values[3], double vectors[3][3]) {
  double largest = 0.0;
  for (int i = 0; i < 6; ++i) {
    const double magnitude = fabs(a[i]);
    if (magnitude > largest) largest = magnitude;
  }
  double zero = 0.0;
  for (int i = 0; i < 6; ++i) zero += a[i] - a[i];  // NaN for a NaN or an infinity
  const bool finite = zero == 0.0;
  for (int i = 0; i < 3; ++i) {
    values[i] = finite ? a[i == 0 ? 0 : 2 * i + 1] : NAN;
    for (int b = 0; b < 3; ++b) vectors[i][b] = i == b ? 1.0 : 0.0;
  }
  if (!finite || largest == 0.0) return;

  // Squares must neither overflow nor vanish; a power of two changes no other bit.
  int exponent = 0;
  if (largest < 1e-60 || largest > 1e60) frexp(largest, &exponent);
  double m[3][3] = {{a[0], a[1], a[2]}, {a[1], a[3], a[4]}, {a[2], a[4], a[5]}};
  if (exponent != 0)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) m[i][j] = ldexp(m[i][j], -exponent);
  for (int sweep = 0; sweep < 12; ++sweep) {  // converges quadratically: 3 to 5 sweeps in practice
    bool rotated = jacobi_rotate<0, 1, 2>(m, vectors);
    rotated = jacobi_rotate<0, 2, 1>(m, vectors) || rotated;
    rotated = jacobi_rotate<1, 2, 0>(m, vectors) || rotated;
    if (!rotated) break;
  }
  for (int i = 0; i < 3; ++i) values[i] = exponent != 0 ? ldexp(m[i][i], exponent) : m[i][i];
  order_pair<0, 1>(values, vectors);
  order_pair<1, 2>(values, vectors);
  order_pair<0, 1>(values, vectors);
}

}  // namespace geopt
