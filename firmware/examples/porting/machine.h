// What the link needs of the machine. Your firmware has all of it; give it these names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace machine {

// The chip, beginning as `custom_munas_mcu` of the board file. By this name the host finds it in an
// ELF too, before it flashes that.
extern "C" const char munas_mcu[];
extern const char board[];  // the board file's name

void init();
uint32_t clock_hz();                // of the core, and of what cycles() counts
uint64_t cycles();                  // never runs backwards
void unique_id(uint32_t words[3]);  // zeros where there is none

size_t read(uint8_t* data, size_t capacity);    // waits for at least one byte
void write(const uint8_t* data, size_t bytes);  // all of them

void kick_watchdog();
[[noreturn]] void restart();

// Nothing may interrupt what is measured. Returns what unlock_interrupts needs.
uint32_t lock_interrupts();
void unlock_interrupts(uint32_t before);

}  // namespace machine
