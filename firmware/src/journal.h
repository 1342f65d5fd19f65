// What must survive a reset: how often the board booted, which request was under way, and how the
// last one broke it. Lies in RAM that start-up leaves alone; magic and CRC tell it from noise.
#pragma once

#include <cstdint>

#include "messages.h"

namespace munas::journal {

struct Crash {
  link::FaultKind kind;
  uint32_t pc;
  uint32_t lr;
  uint32_t psr;
  uint32_t cfsr;
  uint32_t hfsr;
  uint32_t address;
};

struct Request {
  uint16_t sequence;
  uint32_t crc;
};

// Once after every reset. `watchdog`: the watchdog caused it.
void open(bool watchdog);

uint32_t boots();
// The crash that ended the previous boot, or nullptr after an orderly start.
const Crash* fresh_crash();
// The last crash of this power-on; kind is kNone where there was none.
const Crash& last_crash();
// The request that was under way when it crashed.
Request crashed_request();

void request_begins(Request request);
void request_ends();

// Called from the fault handler: writes the record, touches nothing else.
void record(const Crash& crash);

}  // namespace munas::journal
