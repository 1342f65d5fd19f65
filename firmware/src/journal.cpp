#include "journal.h"

#include <cstddef>

#include "framing.h"
#include "port/port.h"

namespace munas::journal {
namespace {

constexpr uint32_t kMagic = 0x4D554E41;

// A cache line of its own: a reset must find in RAM what was written.
struct alignas(32) Store {
  uint32_t magic;
  uint32_t boots;
  uint32_t under_way;  // a request is being handled
  uint32_t crashed;    // `crash` is new
  Request request;
  Crash crash;
  uint32_t crc;
};

#if defined(__arm__)
__attribute__((section(".noinit,\"aw\",%nobits@")))
#endif
Store store;
Crash fresh{};
Request fresh_request{};
bool have_fresh = false;

uint32_t checksum() {
  return link::crc32(0, reinterpret_cast<const uint8_t*>(&store), offsetof(Store, crc));
}

void seal() {
  store.crc = checksum();
  port::publish(reinterpret_cast<const uint8_t*>(&store), sizeof(store));
}

}  // namespace

void open(bool watchdog) {
  if (store.magic != kMagic || store.crc != checksum()) {
    store = Store{};
    store.magic = kMagic;
  }
  ++store.boots;
  have_fresh = store.crashed != 0;
  if (!have_fresh && watchdog && store.under_way != 0) {
    store.crash = Crash{};
    store.crash.kind = link::FaultKind::kWatchdog;
    have_fresh = true;
  }
  fresh = store.crash;
  fresh_request = store.under_way != 0 ? store.request : Request{link::kUnsolicited, 0};
  store.crashed = 0;
  store.under_way = 0;
  seal();
}

uint32_t boots() { return store.boots; }
const Crash* fresh_crash() { return have_fresh ? &fresh : nullptr; }
const Crash& last_crash() { return store.crash; }
Request crashed_request() { return fresh_request; }

void request_begins(Request request) {
  store.request = request;
  store.under_way = 1;
  seal();
}

void request_ends() {
  store.under_way = 0;
  seal();
}

void record(const Crash& crash) {
  store.crash = crash;
  store.crashed = 1;
  seal();
}

}  // namespace munas::journal
