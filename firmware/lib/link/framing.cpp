#include "framing.h"

#include <cstring>

namespace munas::link {
namespace {

struct CrcTable {
  uint32_t entry[256];
};

constexpr CrcTable make_table() {
  CrcTable table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) ? 0xEDB88320u ^ (value >> 1) : value >> 1;
    table.entry[i] = value;
  }
  return table;
}

constexpr CrcTable kTable = make_table();
// What the register holds after a message and its own CRC.
constexpr uint32_t kResidue = 0xDEBB20E3u;

inline uint32_t crc_step(uint32_t state, uint8_t byte) {
  return kTable.entry[(state ^ byte) & 0xFF] ^ (state >> 8);
}

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t* data, size_t bytes) {
  uint32_t state = ~crc;
  for (size_t i = 0; i < bytes; ++i) state = crc_step(state, data[i]);
  return ~state;
}

void Deframer::restart() {
  size_ = 0;
  crc_ = ~0u;
  block_left_ = 0;
  zero_follows_ = false;
  overflow_ = false;
  empty_ = true;
}

void Deframer::push(uint8_t byte) {
  if (size_ == sizeof(frame_)) {
    overflow_ = true;
    return;
  }
  frame_[size_++] = byte;
  crc_ = crc_step(crc_, byte);
}

Deframer::Event Deframer::feed(uint8_t byte) {
  if (byte == 0) return finish();
  if (empty_) {
    restart();
    empty_ = false;
  }
  if (block_left_ > 0) {
    push(byte);
    --block_left_;
    return Event::kNone;
  }
  if (zero_follows_) push(0);
  zero_follows_ = byte != 0xFF;
  block_left_ = byte - 1;
  return Event::kNone;
}

Deframer::Event Deframer::finish() {
  if (empty_) return Event::kNone;
  empty_ = true;
  const bool whole = block_left_ == 0 && !overflow_ && size_ >= sizeof(Header) + kCrcSize &&
                     crc_ == kResidue &&
                     header().length == size_ - sizeof(Header) - kCrcSize;
  return whole ? Event::kFrame : Event::kCorrupt;
}

Header Deframer::header() const {
  Header header;
  memcpy(&header, frame_, sizeof(header));
  return header;
}

uint32_t Deframer::crc() const {
  uint32_t crc;
  memcpy(&crc, frame_ + size_ - kCrcSize, sizeof(crc));
  return crc;
}

void OutFrame::seal(uint16_t sequence, MessageType type, size_t length) {
  const Header header{kProtocolVersion, sequence, static_cast<uint8_t>(type),
                      static_cast<uint16_t>(length)};
  memcpy(frame_, &header, sizeof(header));
  size_ = sizeof(header) + length;
  const uint32_t crc = crc32(0, frame_, size_);
  memcpy(frame_ + size_, &crc, sizeof(crc));
  size_ += sizeof(crc);
}

void OutFrame::send(Sink sink) const {
  size_t at = 0;
  // A block is a code byte and up to 254 bytes without a zero; code 255 implies no zero after it.
  bool more = true;
  while (more) {
    size_t run = 0;
    while (run < 254 && at + run < size_ && frame_[at + run] != 0) ++run;
    const uint8_t code = static_cast<uint8_t>(run + 1);
    sink(&code, 1);
    if (run > 0) sink(frame_ + at, run);
    at += run;
    if (run < 254) {
      more = at < size_;  // stopped at a zero, which the code stands for
      ++at;
    } else {
      more = at < size_;
    }
  }
  const uint8_t delimiter = 0;
  sink(&delimiter, 1);
}

}  // namespace munas::link
