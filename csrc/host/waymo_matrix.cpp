// Matrices of a frame as they are once they are unpacked: MatrixFloat and MatrixInt32 of dataset.proto.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "host/module.h"
#include "host/waymo_wire.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

using waymo::Damaged;
using waymo::Message;
using waymo::Wire;

[[noreturn]] void refuse(const char* what) { throw Damaged(what); }

// The dimensions of a MatrixFloat or MatrixInt32 and where its numbers lie.
struct Matrix {
  std::vector<py::ssize_t> shape;
  std::vector<std::string_view> packed;
  std::vector<uint32_t> single;

  explicit Matrix(Message message) {
    while (message.next()) {
      if (message.is(1, Wire::kBytes)) {
        packed.push_back(message.bytes());
      } else if (message.is(1, Wire::kFixed32) || message.is(1, Wire::kVarint)) {
        message.refuse("numbers of a matrix must be packed");
      } else if (message.is(2, Wire::kBytes)) {
        Message dims = message.message();
        while (dims.next()) {
          if (dims.is(1, Wire::kVarint)) {
            add(dims, dims.number());
          } else if (dims.is(1, Wire::kBytes)) {
            Message inner = dims.message();
            while (!inner.at_end()) add(inner, inner.number());
          }
        }
      }
    }
  }

  void add(const Message& message, uint64_t side) {
    if (side > 1u << 20 || shape.size() == 4) message.refuse("a matrix has too many or too large dimensions");
    shape.push_back(static_cast<py::ssize_t>(side));
  }

  // The product of the dimensions; at most `most`.
  int64_t count(int64_t most) {
    if (shape.empty()) shape = {0};
    int64_t product = 1;
    for (py::ssize_t side : shape) {
      product *= side;
      if (product > most) refuse("a matrix has fewer numbers than its shape says");
    }
    return product;
  }
};

py::array waymo_matrix(const py::bytes& content, bool is_float) {
  char* data = nullptr;
  py::ssize_t size = 0;
  if (PyBytes_AsStringAndSize(content.ptr(), &data, &size) != 0) throw py::error_already_set();
  Matrix matrix(Message(data, data, data + size));
  int64_t bytes = 0;
  for (std::string_view part : matrix.packed) bytes += static_cast<int64_t>(part.size());
  const int64_t count = matrix.count(is_float ? bytes / 4 : bytes);  // a number takes a byte at least
  if (is_float) {
    if (bytes != 4 * count) refuse("a matrix has more numbers than its shape says");
    py::array_t<float> out(matrix.shape);
    char* to = reinterpret_cast<char*>(out.mutable_data());
    for (std::string_view part : matrix.packed) to = std::copy(part.begin(), part.end(), to);
    return out;
  }
  py::array_t<int32_t> out(matrix.shape);
  int32_t* to = out.mutable_data();
  int64_t found = 0;
  for (std::string_view part : matrix.packed) {
    Message numbers(data, part.data(), part.data() + part.size());
    for (; !numbers.at_end(); ++found) {
      const uint64_t value = numbers.number();
      if (found == count) refuse("a matrix has more numbers than its shape says");
      to[found] = static_cast<int32_t>(value);
    }
  }
  if (found != count) refuse("a matrix has fewer numbers than its shape says");
  return out;
}

}  // namespace

void bind_waymo_matrix(py::module_& m) {
  m.def("waymo_matrix", &waymo_matrix, py::arg("content"), py::arg("is_float"),
        "A MatrixFloat as float32, or a MatrixInt32 as int32.");
}

}  // namespace geopt::host
