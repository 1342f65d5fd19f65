// Your machine as a port of munas: firmware/src/port/port.h says what each function is.
#include "machine.h"
#include "port/port.h"
#include "stack.h"

namespace munas::port {
namespace {

// An engine that takes models and memory as they come gets bigger ones; this one needs none.
alignas(16) uint8_t arena_memory[16];
alignas(16) uint8_t staging_memory[256];  // input and output of the largest model

// A stack of no bytes: not known. The paint below it is looked at after every request.
uint32_t below_stack[4] = {stack::kPaint, stack::kPaint, stack::kPaint, stack::kPaint};

}  // namespace

void init() { machine::init(); }
uint32_t clock_hz() { return machine::clock_hz(); }
uint64_t now_cycles() { return machine::cycles(); }
void unique_id(uint32_t words[3]) { machine::unique_id(words); }

size_t uart_read(uint8_t* data, size_t capacity) { return machine::read(data, capacity); }
void uart_write(const uint8_t* data, size_t bytes) { machine::write(data, bytes); }
void uart_flush() {}
void watchdog_kick() { machine::kick_watchdog(); }

// Where the chip tells, these may be filled in; a measurement does not need them.
link::ResetCause reset_cause() { return link::ResetCause::kUnknown; }
uint32_t device_id() { return 0; }
uint8_t cache_state() { return 0; }
uint8_t flash_wait_states() { return 0; }

Region arena() { return {arena_memory, sizeof(arena_memory), link::Region::kSram}; }
Region staging() { return {staging_memory, sizeof(staging_memory), link::Region::kSram}; }
Stack stack() { return {below_stack, below_stack}; }

// No models are loaded, so there is nowhere to put them.
Region ram_slot() { return {nullptr, 0, link::Region::kSram}; }
Region flash_slot() { return {nullptr, 0, link::Region::kFlash}; }
void publish(const uint8_t*, size_t) {}
bool flash_erase() { return false; }
bool flash_program(const uint8_t*, const uint8_t*, size_t) { return false; }

// The ways to break down on purpose are munas' own tests; here all of them restart.
void reset() { machine::restart(); }
void hang() { machine::restart(); }
void hard_fault() { machine::restart(); }
void overflow_stack() {}

InterruptLock::InterruptLock() : previous_(machine::lock_interrupts()) {}
InterruptLock::~InterruptLock() { machine::unlock_interrupts(previous_); }

}  // namespace munas::port
