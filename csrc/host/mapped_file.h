// A file as memory. Pages that were read can be given back, so that a large file does not count as used memory.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

namespace geopt::host {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw std::system_error(errno, std::generic_category(), path);
    struct stat status;
    void* data = nullptr;
    const bool known = fstat(file, &status) == 0;
    if (known) {
      size_ = static_cast<std::size_t>(status.st_size);
      if (size_ > 0) data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    const int reason = errno;
    close(file);
    if (!known || data == MAP_FAILED) throw std::system_error(reason, std::generic_category(), path);
    data_ = static_cast<const char*>(data);
  }
  ~MappedFile() {
    if (size_ > 0) munmap(const_cast<char*>(data_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* begin() const { return data_; }
  const char* end() const { return data_ + size_; }

  // Gives back the whole pages between two places; they are read from the file again when they are touched.
  void forget(const char* from, const char* to) const {
    static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(from) + page - 1) / page * page;
    const std::uintptr_t last = reinterpret_cast<std::uintptr_t>(to) / page * page;
    if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace geopt::host
