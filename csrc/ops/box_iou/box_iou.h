// Intersection over union of boxes turned about z. Every back end calls box_iou, in float64 with every operation
// rounded: the same bits on host and device.
#pragma once

#include <math.h>
#include <stdint.h>

#include "common/macros.h"
#include "common/turn.h"

namespace geopt {

// Half sizes, and what a pair would otherwise compute again. Seen from above (not `volume`) every box is 1 m high at
// z = 0, which leaves areas where volumes would be.
struct TurnedBox {
  double x, y, z, half_length, half_width, half_height, cosine, sine;
  double measure;  // area or volume
  double reach;    // radius about (x, y) outside which there is nothing of the box, with room for rounding
};

// Columns x, y, z, length, width, height, yaw. A box with a NaN or an infinity in a column that is used becomes NaN all
// over, and so do its results; one with a size of 0 or less becomes a point.
template <class T>
GEOPT_HD TurnedBox make_turned_box(const T* box, bool volume) {
  const double x = box[0], y = box[1], length = box[3], width = box[4], yaw = box[6];
  const double z = volume ? static_cast<double>(box[2]) : 0.0, height = volume ? static_cast<double>(box[5]) : 1.0;
  const double broken = (x - x) + (y - y) + (z - z) + (length - length) + (width - width) + (height - height) +
                        (yaw - yaw);  // 0 or NaN
  const Turn turn = make_turn(yaw);
  const bool is_point = length <= 0 || width <= 0 || height <= 0;
  TurnedBox out;
  out.x = x + broken;
  out.y = y + broken;
  out.z = z + broken;
  out.half_length = (is_point ? 0.0 : length / 2) + broken;
  out.half_width = (is_point ? 0.0 : width / 2) + broken;
  out.half_height = (is_point ? 0.0 : height / 2) + broken;
  out.cosine = turn.cosine;
  out.sine = turn.sine;
  out.measure = (is_point ? 0.0 : length * width * height) + broken;
  out.reach = sqrt(out.half_length * out.half_length + out.half_width * out.half_width) * (1 + 1e-9);
  return out;
}

GEOPT_HD double least(double a, double b) { return a < b ? a : b; }
GEOPT_HD double most(double a, double b) { return a > b ? a : b; }
GEOPT_HD double clamp_to(double value, double bound) { return least(most(value, -bound), bound); }

// True only for boxes that are too far apart to share anything; one comparison for loops that pass most pairs over.
// What it says is never more than what box_iou would find: its margin is far above the rounding there.
GEOPT_HD bool out_of_reach(double ax, double ay, double a_reach, double bx, double by, double b_reach) {
  const double dx = bx - ax, dy = by - ay, sum = a_reach + b_reach;
  return dx * dx + dy * dy > sum * sum;
}

// Integral of clamp(y, -w, w) over clamp(x, -h, h) along the edge from (x0, y0) to (x1, y1), whose slope is dy / dx.
GEOPT_HD double clamped_integral(double x0, double y0, double x1, double y1, double slope, double h, double w) {
  const double from = clamp_to(x0, h), to = clamp_to(x1, h);
  const double y_from = y0 + (from - x0) * slope, y_to = y1 + (to - x1) * slope;
  const double low = least(y_from, y_to), high = most(y_from, y_to);
  const double clamped_low = clamp_to(low, w), clamped_high = clamp_to(high, w);
  const double below = most(least(high, -w) - low, 0.0), above = most(high - most(low, w), 0.0);
  const double inside = (clamped_high - clamped_low) * ((clamped_high + clamped_low) * 0.5);
  const double rise = high - low;
  const double mean = rise > 0 ? (w * (above - below) + inside) / rise : clamped_low;
  return (to - from) * mean;
}

// In the axes of `a` it is |x| <= h, |y| <= w. Moving every point of the plane to the nearest one of `a` leaves the
// inside of `a` where it is and sends all else to its border, so the outline of `b`, moved so, encloses exactly what
// both share: Green's theorem along four edges gives the area. There are no corner lists, no cases of coincident or
// touching edges, and an error of the last bit in a corner moves the area by that error times the length of an edge.
GEOPT_HD double box_iou(const TurnedBox& a, const TurnedBox& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, dz = b.z - a.z;
  const double u = a.cosine * dx + a.sine * dy, v = a.cosine * dy - a.sine * dx;  // centre of b in the axes of a
  const double sine = a.cosine * b.sine - a.sine * b.cosine;
  const double turned = a.cosine * b.cosine + a.sine * b.sine;
  const double cosine = sine == 0 ? (turned < 0 ? -1.0 : 1.0) : turned;  // equal yaws: an IoU of 1 is 1
  const double h = a.half_length, w = a.half_width, p = b.half_length, q = b.half_width;

  // An axis that keeps them apart makes it 0 itself, where a sum would leave rounding errors.
  const double c = fabs(cosine), s = fabs(sine);
  const bool apart = (fabs(u) >= h + (p * c + q * s)) | (fabs(v) >= w + (p * s + q * c)) |
                     (fabs(cosine * u + sine * v) >= p + (h * c + w * s)) |
                     (fabs(cosine * v - sine * u) >= q + (h * s + w * c));

  // An edge that runs along y to the last bit adds nothing, whatever its slope.
  const double slope_along = c < 1e-16 ? 0.0 : sine / cosine, slope_across = s < 1e-16 ? 0.0 : -cosine / sine;
  const double px = cosine * p, py = sine * p, qx = -sine * q, qy = cosine * q;
  const double x0 = u - px - qx, y0 = v - py - qy, x1 = u + px - qx, y1 = v + py - qy;
  const double x2 = u + px + qx, y2 = v + py + qy, x3 = u - px + qx, y3 = v - py + qy;
  const double area = (clamped_integral(x3, y3, x2, y2, slope_along, h, w) -
                       clamped_integral(x0, y0, x1, y1, slope_along, h, w)) +
                      (clamped_integral(x0, y0, x3, y3, slope_across, h, w) -
                       clamped_integral(x1, y1, x2, y2, slope_across, h, w));

  const double height = least(a.half_height, dz + b.half_height) - most(-a.half_height, dz - b.half_height);
  // Rounding may take what is shared past what there is.
  const double shared = least(most(area, 0.0) * most(height, 0.0), least(a.measure, b.measure));
  const double either = a.measure + b.measure - (apart ? 0.0 : shared);
  return either <= 0 ? 0.0 : (apart ? 0.0 : shared) / either;
}

// a (n, a_columns) and b (m, b_columns), of which the first seven count. Writes iou (n, m) rounded to T.
template <class T>
void box_iou_cpu(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou);

#ifdef GEOPT_WITH_CUDA
int64_t box_iou_cuda_workspace(int64_t n, int64_t m);
template <class T>
int box_iou_cuda(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou,
    void* workspace, int64_t workspace_bytes, void* stream);
#endif

}  // namespace geopt
