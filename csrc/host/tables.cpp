// nuScenes tables, JSON arrays of flat objects, as columns. Only the wanted fields of the wanted rows are kept, so that
// a table of a gigabyte costs what its wanted part costs.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "host/json.h"
#include "host/mapped_file.h"
#include "host/module.h"
#include "host/parallel.h"

namespace py = pybind11;

namespace geopt::host {
namespace {

constexpr std::size_t CHUNK = std::size_t{1} << 20;  // bytes of a table that one thread reads at a time

enum class Kind { TEXT, TEXTS, INTEGER, BOOLEAN, VECTOR3, VECTOR4 };

struct Field {
  std::string name;
  Kind kind;
};

// One field of the rows of a chunk. Texts lie behind each other in `text`; of a list of texts the first is kept.
struct Column {
  std::string text;
  std::vector<std::uint32_t> lengths;
  std::vector<double> numbers;
  std::vector<std::int64_t> integers;  // also booleans, and how many texts a list has
};

struct Value {
  bool given = false;
  std::string text;
  double numbers[4] = {};
  std::int64_t integer = 0;
};

struct Chunk {
  const char *begin, *end;
  std::size_t num_rows = 0;
  std::vector<Column> columns;
  std::string error;
  const char* error_at = nullptr;
};

using Wanted = std::unordered_set<std::string>;

void read_value(json::Cursor& cursor, Kind kind, Value& out) {
  out.given = true;
  switch (kind) {
    case Kind::TEXT:
      out.text = cursor.text();
      return;
    case Kind::TEXTS:
      out.integer = 0;
      out.text.clear();
      cursor.array([&](json::Cursor& inner) {
        const std::string_view text = inner.text();
        if (out.integer++ == 0) out.text = text;
      });
      return;
    case Kind::INTEGER: {
      const json::Number number = cursor.number();
      if (number.value != static_cast<double>(static_cast<std::int64_t>(number.value))) {
        throw json::SyntaxError("expected a whole number", cursor.at());
      }
      out.integer = static_cast<std::int64_t>(number.value);
      return;
    }
    case Kind::BOOLEAN:
      out.integer = cursor.take_literal("true");
      if (out.integer == 0 && !cursor.take_literal("false")) {
        throw json::SyntaxError("expected true or false", cursor.at());
      }
      return;
    case Kind::VECTOR3:
    case Kind::VECTOR4: {
      const std::size_t wanted = kind == Kind::VECTOR3 ? 3 : 4;
      std::size_t length = 0;
      cursor.array([&](json::Cursor& inner) {
        const double value = inner.number().value;
        if (length < wanted) out.numbers[length] = value;
        ++length;
      });
      if (length != wanted) throw json::SyntaxError("expected " + std::to_string(wanted) + " numbers", cursor.at());
    }
  }
}

void store(const Field& field, const Value& value, Column& out) {
  switch (field.kind) {
    case Kind::TEXTS:
      out.integers.push_back(value.integer);
      [[fallthrough]];
    case Kind::TEXT:
      out.text += value.text;
      out.lengths.push_back(static_cast<std::uint32_t>(value.text.size()));
      return;
    case Kind::INTEGER:
    case Kind::BOOLEAN:
      out.integers.push_back(value.integer);
      return;
    case Kind::VECTOR3:
      out.numbers.insert(out.numbers.end(), value.numbers, value.numbers + 3);
      return;
    case Kind::VECTOR4:
      out.numbers.insert(out.numbers.end(), value.numbers, value.numbers + 4);
  }
}

void read_chunk(Chunk& chunk, const std::vector<Field>& fields, int filter, const Wanted& wanted) {
  chunk.columns.resize(fields.size());
  std::vector<Value> values(fields.size());
  json::Cursor cursor(chunk.begin, chunk.end);
  try {
    do {
      for (Value& value : values) value.given = false;
      cursor.object([&](json::Cursor& inner, std::string_view key) {
        for (std::size_t i = 0; i < fields.size(); ++i) {
          if (key == fields[i].name) return read_value(inner, fields[i].kind, values[i]);
        }
        inner.skip();
      });
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!values[i].given) throw json::SyntaxError("a row has no '" + fields[i].name + "'", cursor.at());
      }
      if (filter >= 0 && wanted.count(values[static_cast<std::size_t>(filter)].text) == 0) continue;
      for (std::size_t i = 0; i < fields.size(); ++i) store(fields[i], values[i], chunk.columns[i]);
      ++chunk.num_rows;
    } while (cursor.take(','));
    cursor.finish();
  } catch (const json::SyntaxError& error) {
    chunk.error = error.what();
    chunk.error_at = error.at;
  } catch (const std::exception& error) {
    chunk.error = error.what();
    chunk.error_at = cursor.at();
  }
}

// Cuts the array into chunks of whole rows.
std::vector<Chunk> cut(const MappedFile& file) {
  std::vector<Chunk> chunks;
  json::Cursor cursor(file.begin(), file.end());
  const char* begin = nullptr;
  const char* end = nullptr;
  cursor.array([&](json::Cursor& inner) {
    inner.peek();
    if (begin == nullptr) begin = inner.at();
    inner.skim();
    end = inner.at();
    if (static_cast<std::size_t>(end - begin) >= CHUNK) {
      chunks.push_back({begin, end});
      file.forget(begin, end);
      begin = nullptr;
    }
  });
  cursor.finish();
  if (begin != nullptr) chunks.push_back({begin, end});
  return chunks;
}

py::array texts_of(const std::vector<Chunk>& chunks, std::size_t field, std::size_t rows) {
  std::uint32_t width = 1;
  for (const Chunk& chunk : chunks) {
    for (const std::uint32_t length : chunk.columns[field].lengths) width = std::max(width, length);
  }
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(rows)};
  py::array out(py::dtype("S" + std::to_string(width)), shape);
  char* to = static_cast<char*>(out.mutable_data());
  std::memset(to, 0, rows * width);
  for (const Chunk& chunk : chunks) {
    const char* from = chunk.columns[field].text.data();
    for (const std::uint32_t length : chunk.columns[field].lengths) {
      std::memcpy(to, from, length);
      from += length;
      to += width;
    }
  }
  return out;
}

template <class To, class From>
py::array numbers_of(const std::vector<Chunk>& chunks, std::size_t field, std::size_t rows, std::size_t width,
                     std::vector<From> Column::*part) {
  std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(rows)};
  if (width > 1) shape.push_back(static_cast<py::ssize_t>(width));
  py::array_t<To> out(shape);
  To* to = out.mutable_data();
  for (const Chunk& chunk : chunks) {
    const std::vector<From>& values = chunk.columns[field].*part;
    to = std::transform(values.begin(), values.end(), to, [](From value) { return static_cast<To>(value); });
  }
  return out;
}

py::dict read_table(const std::string& path, const std::vector<std::pair<std::string, std::string>>& fields_and_kinds,
                    const std::string& filter_field, const std::vector<std::string>& wanted_texts, int num_threads) {
  static const std::unordered_map<std::string, Kind> kinds{
      {"text", Kind::TEXT},       {"texts", Kind::TEXTS},     {"integer", Kind::INTEGER},
      {"boolean", Kind::BOOLEAN}, {"vector3", Kind::VECTOR3}, {"vector4", Kind::VECTOR4}};
  std::vector<Field> fields;
  int filter = -1;
  for (const auto& [name, kind] : fields_and_kinds) {
    if (name == filter_field) filter = static_cast<int>(fields.size());
    fields.push_back({name, kinds.at(kind)});
  }
  std::vector<Chunk> chunks;
  std::size_t rows = 0;
  {
    py::gil_scoped_release release;
    const MappedFile file(path);
    const Wanted wanted(wanted_texts.begin(), wanted_texts.end());
    const auto refuse = [&](const std::string& what, const char* at) {
      throw std::invalid_argument("line " + std::to_string(1 + std::count(file.begin(), at, '\n')) + ", byte " +
                                  std::to_string(at - file.begin()) + ": " + what);
    };
    try {
      chunks = cut(file);
    } catch (const json::SyntaxError& error) {
      refuse(error.what(), error.at);
    }
    parallel_for(chunks.size(), num_threads, [&](std::size_t i) {
      read_chunk(chunks[i], fields, filter, wanted);
      file.forget(chunks[i].begin, chunks[i].end);
    });
    for (const Chunk& chunk : chunks) {
      if (!chunk.error.empty()) refuse(chunk.error, chunk.error_at);
      rows += chunk.num_rows;
    }
  }
  py::dict out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const py::str name(fields[i].name);
    switch (fields[i].kind) {
      case Kind::TEXTS:
        out[py::str("num_" + fields[i].name)] = numbers_of<std::int64_t>(chunks, i, rows, 1, &Column::integers);
        [[fallthrough]];
      case Kind::TEXT:
        out[name] = texts_of(chunks, i, rows);
        break;
      case Kind::INTEGER:
        out[name] = numbers_of<std::int64_t>(chunks, i, rows, 1, &Column::integers);
        break;
      case Kind::BOOLEAN:
        out[name] = numbers_of<bool>(chunks, i, rows, 1, &Column::integers);
        break;
      case Kind::VECTOR3:
        out[name] = numbers_of<double>(chunks, i, rows, 3, &Column::numbers);
        break;
      case Kind::VECTOR4:
        out[name] = numbers_of<double>(chunks, i, rows, 4, &Column::numbers);
        break;
    }
    for (Chunk& chunk : chunks) chunk.columns[i] = Column();
  }
  return out;
}

std::string_view text_at(const py::buffer_info& texts, py::ssize_t row) {
  const char* begin = static_cast<const char*>(texts.ptr) + row * texts.strides[0];
  return {begin, strnlen(begin, static_cast<std::size_t>(texts.itemsize))};
}

py::array_t<std::int64_t> rows_of(const py::array& keys, const py::array& wanted) {
  const py::buffer_info key_info = keys.request(), wanted_info = wanted.request();
  std::unordered_map<std::string_view, std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(key_info.size));
  for (py::ssize_t i = 0; i < key_info.size; ++i) rows[text_at(key_info, i)] = i;
  py::array_t<std::int64_t> out(wanted_info.size);
  std::int64_t* to = out.mutable_data();
  for (py::ssize_t i = 0; i < wanted_info.size; ++i) {
    const auto found = rows.find(text_at(wanted_info, i));
    to[i] = found == rows.end() ? -1 : found->second;
  }
  return out;
}

}  // namespace

void bind_tables(py::module_& m) {
  m.def("read_table", &read_table, py::arg("path"), py::arg("fields"), py::arg("filter_field"), py::arg("wanted"),
        py::arg("num_threads"),
        "Columns of a table by name: text, texts (the first, and num_NAME), integer, boolean, vector3 or vector4. With "
        "a filter field only rows whose text there is wanted. ValueError says where the table is damaged.");
  m.def("rows_of", &rows_of, py::arg("keys"), py::arg("wanted"),
        "(N,) int64: the last row of `keys` that holds each wanted text, or -1. Both are NumPy byte strings.");
}

}  // namespace geopt::host
