// The places a loaded model can stand in: a RAM slot and, where the board has one, a flash slot
// with a count of its erases in its first bytes. Knows nothing of what a model is.
#pragma once

#include <cstdint>

#include "engine.h"
#include "messages.h"

namespace munas::slots {

using engine::Outcome;

struct Place {
  uint32_t address;
  uint32_t capacity;
};

// Opens a slot for a model of `bytes`; a flash slot is erased here. What it held is gone.
Outcome begin(link::Slot slot, uint32_t bytes, Place* place);

// Appends when `offset` is the next one, else changes nothing. Every portion for a flash slot but
// the last is a multiple of port::kFlashUnit.
Outcome append(uint32_t offset, const uint8_t* data, uint32_t bytes, uint32_t* next);

// Closes the slot; its content then counts as loaded if its CRC-32 is `expected`.
Outcome end(uint32_t expected, uint32_t* found);

// The loaded model, data == nullptr where there is none.
engine::Memory model(link::Slot slot);

uint32_t flash_capacity();
uint32_t flash_erases();

}  // namespace munas::slots
