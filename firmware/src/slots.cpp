#include "slots.h"

#include <cstring>

#include "framing.h"
#include "port/port.h"

namespace munas::slots {
namespace {

using link::ErrorCode;
using link::Slot;

// Stands at the start of the flash slot; an erase takes it along, so it is written anew after.
struct __attribute__((aligned(4))) WearHeader {
  uint32_t magic;
  uint32_t erases;
  uint32_t check;
  uint32_t reserved;
};
static_assert(sizeof(WearHeader) == port::kFlashUnit);
constexpr uint32_t kWearMagic = 0x57454152;

struct Loading {
  bool open;
  Slot slot;
  uint8_t* data;
  uint32_t size;
  uint32_t next;
};

Loading loading{};
uint32_t loaded_bytes[2] = {0, 0};  // by Slot; 0: nothing

uint8_t* slot_data(Slot slot) {
  if (slot == Slot::kRam) return port::ram_slot().data;
  uint8_t* data = port::flash_slot().data;
  return data == nullptr ? nullptr : data + sizeof(WearHeader);
}

uint32_t slot_capacity(Slot slot) {
  return slot == Slot::kRam ? port::ram_slot().bytes : flash_capacity();
}

Outcome erase_flash() {
  const WearHeader header{kWearMagic, flash_erases() + 1, ~(flash_erases() + 1), 0};
  if (!port::flash_erase())
    return engine::failure(ErrorCode::kFlashFailed, header.erases, "flash did not erase");
  if (!port::flash_program(port::flash_slot().data, reinterpret_cast<const uint8_t*>(&header),
                           sizeof(header)))
    return engine::failure(ErrorCode::kFlashFailed, header.erases, "flash did not program");
  return engine::success();
}

bool program(uint8_t* to, const uint8_t* data, uint32_t bytes) {
  const uint32_t whole = bytes - bytes % port::kFlashUnit;
  if (whole > 0 && !port::flash_program(to, data, whole)) return false;
  if (whole == bytes) return true;
  uint8_t last[port::kFlashUnit];
  memset(last, 0xFF, sizeof(last));
  memcpy(last, data + whole, bytes - whole);
  return port::flash_program(to + whole, last, sizeof(last));
}

}  // namespace

uint32_t flash_capacity() {
  const port::Region region = port::flash_slot();
  return region.data == nullptr ? 0 : region.bytes - static_cast<uint32_t>(sizeof(WearHeader));
}

uint32_t flash_erases() {
  const port::Region region = port::flash_slot();
  if (region.data == nullptr) return 0;
  WearHeader header;
  memcpy(&header, region.data, sizeof(header));
  return header.magic == kWearMagic && header.check == ~header.erases ? header.erases : 0;
}

Outcome begin(Slot slot, uint32_t bytes, Place* place) {
  loading.open = false;
  if (slot != Slot::kRam && slot != Slot::kFlash)
    return engine::failure(ErrorCode::kBadSlot, static_cast<uint32_t>(slot), "no such slot");
  uint8_t* data = slot_data(slot);
  const uint32_t capacity = slot_capacity(slot);
  if (data == nullptr || capacity == 0)
    return engine::failure(ErrorCode::kBadSlot, static_cast<uint32_t>(slot),
                           "the board has no such slot");
  if (bytes == 0 || bytes > capacity)
    return engine::failure(ErrorCode::kDoesNotFit, capacity, "model does not fit the slot");
  loaded_bytes[static_cast<size_t>(slot)] = 0;
  if (slot == Slot::kFlash) {
    const Outcome erased = erase_flash();
    if (!erased.ok) return erased;
  }
  loading = Loading{true, slot, data, bytes, 0};
  *place = Place{static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data)), capacity};
  return engine::success();
}

Outcome append(uint32_t offset, const uint8_t* data, uint32_t bytes, uint32_t* next) {
  if (!loading.open) return engine::failure(ErrorCode::kNotLoaded, 0, "no load under way");
  if (offset == loading.next && bytes > 0) {
    if (bytes > loading.size - loading.next)
      return engine::failure(ErrorCode::kBadLength, loading.size, "more bytes than announced");
    const bool last = loading.next + bytes == loading.size;
    if (loading.slot == Slot::kFlash) {
      if (!last && bytes % port::kFlashUnit != 0)
        return engine::failure(ErrorCode::kBadLength, port::kFlashUnit, "not a multiple");
      if (!program(loading.data + loading.next, data, bytes))
        return engine::failure(ErrorCode::kFlashFailed, loading.next, "flash did not program");
    } else {
      memcpy(loading.data + loading.next, data, bytes);
    }
    loading.next += bytes;
  }
  *next = loading.next;
  return engine::success();
}

Outcome end(uint32_t expected, uint32_t* found) {
  if (!loading.open) return engine::failure(ErrorCode::kNotLoaded, 0, "no load under way");
  if (loading.next != loading.size)
    return engine::failure(ErrorCode::kBadLength, loading.next, "model bytes are missing");
  loading.open = false;
  port::publish(loading.data, loading.size);
  *found = link::crc32(0, loading.data, loading.size);
  if (*found != expected)
    return engine::failure(ErrorCode::kCrcMismatch, *found, "the slot holds other bytes");
  loaded_bytes[static_cast<size_t>(loading.slot)] = loading.size;
  return engine::success();
}

engine::Memory model(Slot slot) {
  if (slot != Slot::kRam && slot != Slot::kFlash) return {nullptr, 0};
  const uint32_t bytes = loaded_bytes[static_cast<size_t>(slot)];
  return bytes == 0 ? engine::Memory{nullptr, 0} : engine::Memory{slot_data(slot), bytes};
}

}  // namespace munas::slots
