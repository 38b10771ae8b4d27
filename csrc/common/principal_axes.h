// Eigenvalues of a symmetric 3x3 matrix and the eigenvector of the smallest, in closed form and without branches, so
// that a loop over many matrices becomes vector instructions. As accurate as the Jacobi rotations of eigh3.h: errors
// are a few roundings of the largest value, whatever the gaps between them.
#pragma once

#include <math.h>

#include "common/macros.h"

namespace geopt {

struct Symmetric3 {
  double xx, xy, xz, yy, yz, zz;
};

// Eigenvalues low <= middle <= high; (x, y, z) is the axis of `low`, of unit length, sign as it falls, and any
// direction across the axis of `high` where low == middle.
struct PrincipalAxes {
  double low, middle, high, x, y, z;
};

// One of Newton's steps towards a root of t^3 - 3 t = 2 r.
GEOPT_HD double newton_step(double t, double r) { return t - (t * (t * t - 3.0) - 2.0 * r) / (3.0 * (t * t - 1.0)); }

// a is finite, with entries from 1e-100 to 1e100 or 0.
//
// The trigonometric solution of the characteristic cubic (Smith, Eigenvalues of a symmetric 3x3 matrix, CACM 4(4),
// 1961) is exact enough for that eigenvalue alone which lies far from the others, the largest or the smallest; its
// eigenvector is as well conditioned. In the plane across it, a 2x2 problem is left, whose solution is exact for any
// gap (after Eberly, A robust eigensolver for 3x3 symmetric matrices, 2014).
GEOPT_HD PrincipalAxes principal_axes(const Symmetric3& a) {
  // a = mean + scale * c, with trace 0 and values within [-2, 2]. Turned over where the smallest value lies apart, so
  // that it is always the largest that does.
  const double mean = (a.xx + a.yy + a.zz) / 3.0;
  const double x = a.xx - mean, y = a.yy - mean, z = a.zz - mean;
  const double square = (x * x + y * y + z * z + 2.0 * (a.xy * a.xy + a.xz * a.xz + a.yz * a.yz)) / 6.0;
  const double scale = sqrt(square), inverse = scale > 0.0 ? 1.0 / scale : 0.0;
  double xx = x * inverse, xy = a.xy * inverse, xz = a.xz * inverse;
  double yy = y * inverse, yz = a.yz * inverse, zz = z * inverse;
  const double half_det = 0.5 * (xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz));
  const double turn = half_det < 0.0 ? -1.0 : 1.0;
  xx *= turn, xy *= turn, xz *= turn, yy *= turn, yz *= turn, zz *= turn;
  const double r = fabs(half_det) < 1.0 ? fabs(half_det) : 1.0;

  // The largest root of t^3 - 3 t = 2 r lies in [sqrt(3), 2], the others at least sqrt(3) below it. This cubic, from
  // Chebyshev's nodes, is within 1e-4 of it; Newton's steps square that: 6e-9, then the last bit.
  const double near_top = 1.73213266 + r * (0.3306607 + r * (0.01863937 * r - 0.0813824));
  const double top = newton_step(newton_step(near_top, r), r);

  // Its eigenvector v spans the adjugate of c - top, whose diagonal is its square.
  const double mx = xx - top, my = yy - top, mz = zz - top;
  const double c00 = my * mz - yz * yz, c11 = mx * mz - xz * xz, c22 = mx * my - xy * xy;
  const double c01 = xz * yz - xy * mz, c02 = xy * yz - xz * my, c12 = xy * xz - yz * mx;
  const bool first = c00 >= c11 && c00 >= c22, second = c11 >= c22;
  double vx = first ? c00 : second ? c01 : c02;
  double vy = first ? c01 : second ? c11 : c12;
  double vz = first ? c02 : second ? c12 : c22;
  const double v_scale = 1.0 / sqrt(vx * vx + vy * vy + vz * vz);
  vx *= v_scale, vy *= v_scale, vz *= v_scale;

  // u and w complete the axes; u is also across the coordinate axis that v leans on least, so that zeros stay zeros.
  const bool least_x = fabs(vx) <= fabs(vy) && fabs(vx) <= fabs(vz), least_y = fabs(vy) <= fabs(vz);
  double ux = least_x ? 0.0 : least_y ? -vz : vy;
  double uy = least_x ? vz : least_y ? 0.0 : -vx;
  double uz = least_x ? -vy : least_y ? vx : 0.0;
  const double u_scale = 1.0 / sqrt(ux * ux + uy * uy + uz * uz);
  ux *= u_scale, uy *= u_scale, uz *= u_scale;
  const double wx = vy * uz - vz * uy, wy = vz * ux - vx * uz, wz = vx * uy - vy * ux;

  // c in the plane of u and w: [[p, q], [q, s]].
  const double cux = xx * ux + xy * uy + xz * uz, cuy = xy * ux + yy * uy + yz * uz, cuz = xz * ux + yz * uy + zz * uz;
  const double cwx = xx * wx + xy * wy + xz * wz, cwy = xy * wx + yy * wy + yz * wz, cwz = xz * wx + yz * wy + zz * wz;
  const double p = ux * cux + uy * cuy + uz * cuz, q = wx * cux + wy * cuy + wz * cuz;
  const double s = wx * cwx + wy * cwy + wz * cwz;
  const double middle = 0.5 * (p + s), half = 0.5 * (p - s), radius = sqrt(half * half + q * q);
  const double low = middle - radius, high = middle + radius;
  const double lean = fabs(half) + radius > 0.0 ? fabs(half) + radius : 1.0;
  // The axis of `low`, not yet of length 1.
  const double low_u = half >= 0.0 ? -q : -lean, low_w = half >= 0.0 ? lean : q;
  const double low_scale = 1.0 / sqrt(low_u * low_u + low_w * low_w);

  const bool turned = turn < 0.0;
  const double nu = low_u * low_scale, nw = low_w * low_scale;
  PrincipalAxes out;
  out.x = turned ? vx : nu * ux + nw * wx;
  out.y = turned ? vy : nu * uy + nw * wy;
  out.z = turned ? vz : nu * uz + nw * wz;
  out.low = turned ? mean - scale * top : mean + scale * low;
  out.middle = turned ? mean - scale * high : mean + scale * high;
  out.high = turned ? mean - scale * low : mean + scale * top;
  return out;
}

}  // namespace geopt
