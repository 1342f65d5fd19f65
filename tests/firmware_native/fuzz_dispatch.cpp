// libFuzzer target. The first byte chooses: raw bytes onto the line, or (type, length, payload)
// records that are put into valid frames, which reaches deeper. Everything that the firmware
// answers must be frames that it would itself accept.
#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "dispatch.h"
#include "framing.h"
#include "port/port.h"
#include "port_native.h"

namespace {

std::jmp_buf restart;
munas::link::Deframer replies;

void give(munas::link::Deframer& line, const uint8_t* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    switch (line.feed(data[i])) {
      case munas::link::Deframer::Event::kNone: break;
      case munas::link::Deframer::Event::kFrame: munas::dispatch::handle(line); break;
      case munas::link::Deframer::Event::kCorrupt: munas::dispatch::refuse_corrupt(); break;
    }
  }
}

munas::link::Deframer requests;

void give_stuffed(const uint8_t* data, size_t bytes) { give(requests, data, bytes); }

}  // namespace

namespace munas::native {

size_t read(uint8_t*, size_t) { std::abort(); }

void write(const uint8_t* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    if (replies.feed(data[i]) == link::Deframer::Event::kCorrupt) std::abort();
}

void reset() { std::longjmp(restart, 1); }

}  // namespace munas::native

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static munas::link::OutFrame frame;
  static uint16_t sequence = 0;
  if (size == 0) return 0;
  if (setjmp(restart) != 0) return 0;
  requests = munas::link::Deframer();
  replies = munas::link::Deframer();
  if (data[0] & 1) {
    give_stuffed(data + 1, size - 1);
    return 0;
  }
  for (size_t at = 1; at + 2 <= size;) {
    const uint8_t type = data[at];
    size_t length = data[at + 1];
    at += 2;
    if (length > size - at) length = size - at;
    memcpy(frame.payload(), data + at, length);
    at += length;
    frame.seal(sequence++, static_cast<munas::link::MessageType>(type), length);
    frame.send(give_stuffed);
  }
  return 0;
}
