// CRC-32C (Castagnoli), as TFRecord files carry it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace geopt::host {

inline uint32_t crc32c(const char* data, size_t size) {
  uint32_t crc = ~uint32_t{0};
#ifdef __SSE4_2__
  uint64_t wide = crc;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(*data));
#else
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0u);
      made[i] = value;
    }
    return made;
  }();
  for (; size > 0; ++data, --size) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(*data)) & 0xff];
#endif
  return ~crc;
}

// What a TFRecord stores: turned and shifted, so that a CRC of data that holds CRCs is still a good one.
inline uint32_t masked_crc32c(const char* data, size_t size) {
  const uint32_t crc = crc32c(data, size);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace geopt::host
