// What every Cortex-M has in common is in machine_cortex_m.cpp; this is between it and your board.
#pragma once

#include <cstdint>

namespace machine {

void start_cycle_counter();    // call it in init()
void byte_came(uint8_t byte);  // call it where the line's bytes arrive, in its interrupt

// Yours: sleeps until something may have come, or returns at once.
void wait_for_bytes();
// Yours, on a core without a cycle counter (M0, M0+, M23): a timer of 32 bits at the core's clock.
uint32_t timer_count();

}  // namespace machine
