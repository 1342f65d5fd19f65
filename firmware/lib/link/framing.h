// Frames on the line, the firmware's side of host/munas/link/framing.py:
//
//   version u8 | sequence u16 | type u8 | length u16 | payload | CRC-32 of all before
//
// COBS-stuffed and ended by a zero byte. Knows neither what payloads mean nor what carries bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "messages.h"

// Small chips get small tables: every frame buffer costs RAM.
#ifndef MUNAS_FRAME_CAPACITY
#if defined(STM32F1xx)
#define MUNAS_FRAME_CAPACITY 264
#else
#define MUNAS_FRAME_CAPACITY 1040
#endif
#endif

namespace munas::link {

struct __attribute__((packed)) Header {
  uint8_t version;
  uint16_t sequence;
  uint8_t type;
  uint16_t length;
};
static_assert(sizeof(Header) == 6);

constexpr size_t kFrameCapacity = MUNAS_FRAME_CAPACITY;  // payload bytes
constexpr size_t kCrcSize = 4;
constexpr size_t kMaxFrame = sizeof(Header) + kFrameCapacity + kCrcSize;
static_assert(kFrameCapacity >= kMinimumFrameCapacity);
static_assert(kFrameCapacity <= UINT16_MAX);

// CRC-32 as zlib computes it; start with 0 and pass the last result on to go on.
uint32_t crc32(uint32_t crc, const uint8_t* data, size_t bytes);

// Cuts a stream of bytes into frames. Each byte is unstuffed and summed as it comes, so that the
// end of a frame costs no more than its middle: a UART without a FIFO must not overrun there.
class Deframer {
 public:
  enum class Event { kNone, kFrame, kCorrupt };

  // After kFrame, header() and payload() hold until the next call.
  Event feed(uint8_t byte);

  Header header() const;
  const uint8_t* payload() const { return frame_ + sizeof(Header); }
  // The CRC that came with the frame: it tells a resent request from a new one.
  uint32_t crc() const;

 private:
  Event finish();
  void push(uint8_t byte);
  void restart();

  uint8_t frame_[kMaxFrame];
  size_t size_ = 0;
  uint32_t crc_ = 0;
  uint8_t block_left_ = 0;
  bool zero_follows_ = false;
  bool overflow_ = false;
  bool empty_ = true;
};

// One frame to send, kept as long as it may be asked for again. Write the payload in place, then
// seal; send as often as needed.
class OutFrame {
 public:
  using Sink = void (*)(const uint8_t* data, size_t bytes);

  uint8_t* payload() { return frame_ + sizeof(Header); }
  // `length` is at most kFrameCapacity.
  void seal(uint16_t sequence, MessageType type, size_t length);
  // Stuffs on the way out, in runs of up to 254 bytes.
  void send(Sink sink) const;

 private:
  uint8_t frame_[kMaxFrame];
  size_t size_ = 0;
};

}  // namespace munas::link
