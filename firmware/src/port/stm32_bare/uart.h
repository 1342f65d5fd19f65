// A polled serial line over either generation of STM32 USART. `Registers` gives the addresses and
// the bits; bytes that come while sending are kept for the next read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../cortex_m/core.h"
#include "../port.h"

namespace munas::port {

template <class Registers>
class PolledUart {
 public:
  size_t read(uint8_t* data, size_t capacity) {
    size_t count = 0;
    while (count < capacity && tail_ != head_) data[count++] = kept_[tail_++ % kKept];
    if (count > 0) return count;
    uint32_t looks = 0;
    while (!received()) {
      // Rare enough to leave the loop tight, often enough for the watchdog and the 64-bit clock.
      if ((++looks & 0xFFF) == 0) {
        watchdog_kick();
        now_cycles();
      }
    }
    data[0] = static_cast<uint8_t>(core::reg(Registers::kReceive));
    return 1;
  }

  void write(const uint8_t* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      while (!(status() & Registers::kSendReady)) {
      }
      core::reg(Registers::kSend) = data[i];
    }
  }

  void flush() {
    while (!(status() & Registers::kSendDone)) {
    }
  }

 private:
  static constexpr size_t kKept = 512;

  bool received() {
    const uint32_t now = core::reg(Registers::kStatus);
    Registers::clear_errors(now);
    return (now & Registers::kReceived) != 0;
  }

  uint32_t status() {
    const uint32_t now = core::reg(Registers::kStatus);
    Registers::clear_errors(now);
    if (now & Registers::kReceived) {
      const auto byte = static_cast<uint8_t>(core::reg(Registers::kReceive));
      if (head_ - tail_ < kKept) kept_[head_++ % kKept] = byte;
    }
    return now;
  }

  uint8_t kept_[kKept];
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace munas::port
