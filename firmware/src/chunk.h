// Cuts one window out of a sequence of bytes that is produced piece by piece, so that a long reply
// needs no buffer for its whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace munas {

class ChunkWriter {
 public:
  ChunkWriter(uint32_t offset, uint8_t* window, size_t capacity)
      : offset_(offset), window_(window), capacity_(capacity) {}

  void put(const void* data, size_t bytes) {
    const uint64_t end = uint64_t{offset_} + capacity_;
    const uint64_t from = total_ > offset_ ? total_ : offset_;
    const uint64_t to = total_ + bytes < end ? total_ + bytes : end;
    if (from < to) {
      memcpy(window_ + filled_, static_cast<const uint8_t*>(data) + (from - total_), to - from);
      filled_ += static_cast<size_t>(to - from);
    }
    total_ += bytes;
  }
  // With its NUL.
  void put_string(const char* text) { put(text, strlen(text) + 1); }

  uint32_t total() const { return static_cast<uint32_t>(total_); }
  size_t filled() const { return filled_; }

 private:
  const uint32_t offset_;
  uint8_t* const window_;
  const size_t capacity_;
  size_t filled_ = 0;
  uint64_t total_ = 0;
};

}  // namespace munas
