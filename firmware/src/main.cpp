// The firmware's main loop: bytes in, replies out. Everything else hangs on dispatch.
#if defined(ARDUINO)
#include <Arduino.h>
#endif

#include "dispatch.h"
#include "framing.h"
#include "journal.h"
#include "port/port.h"

namespace munas {
namespace {

link::Deframer deframer;

void start() {
  port::init();
  journal::open(port::reset_cause() == link::ResetCause::kWatchdog);
  dispatch::announce();
}

void serve_once() {
  static uint8_t bytes[64];
  const size_t count = port::uart_read(bytes, sizeof(bytes));
  for (size_t i = 0; i < count; ++i) {
    switch (deframer.feed(bytes[i])) {
      case link::Deframer::Event::kNone: break;
      case link::Deframer::Event::kFrame:
        port::watchdog_kick();
        dispatch::handle(deframer);
        break;
      case link::Deframer::Event::kCorrupt: dispatch::refuse_corrupt(); break;
    }
  }
}

}  // namespace
}  // namespace munas

#if defined(ARDUINO)
void setup() { munas::start(); }
void loop() { munas::serve_once(); }
#else
int main() {
  munas::start();
  for (;;) munas::serve_once();
}
#endif
