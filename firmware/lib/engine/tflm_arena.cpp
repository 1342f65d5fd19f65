#if defined(MUNAS_ENGINE_TFLM)

#include "tflm_arena.h"

#include <new>

#include "tensorflow/lite/micro/memory_helpers.h"
#include "tflm_guard.h"

namespace munas::engine {

Arena* Arena::create(Memory memory) {
  Arena made(memory.data, memory.bytes);
  uint8_t* place = made.AllocatePersistentBuffer(sizeof(Arena), alignof(Arena));
  return new (place) Arena(made);
}

TfLiteStatus Arena::ResizeBuffer(uint8_t* buffer, size_t size, size_t alignment) {
  require_above(GetOverlayMemoryAddress(), size, alignment);
  return SingleArenaBufferAllocator::ResizeBuffer(buffer, size, alignment);
}

uint8_t* Arena::AllocatePersistentBuffer(size_t size, size_t alignment) {
  // Sizes are a model's and may be anything: no sum or difference may wrap.
  const size_t room = static_cast<size_t>(tail() - free_begin());
  if (size > room || tflite::AlignPointerDown(tail() - size, alignment) < free_begin())
    leave_for(size);
  return SingleArenaBufferAllocator::AllocatePersistentBuffer(size, alignment);
}

uint8_t* Arena::AllocateTemp(size_t size, size_t alignment) {
  require_above(free_begin(), size, alignment);
  return SingleArenaBufferAllocator::AllocateTemp(size, alignment);
}

size_t Arena::GetAvailableMemory(size_t alignment) const {
  const uint8_t* begin = tflite::AlignPointerUp(free_begin(), alignment);
  const uint8_t* end = tflite::AlignPointerDown(tail(), alignment);
  return begin < end ? static_cast<size_t>(end - begin) : 0;
}

void Arena::require_above(uint8_t* begin, size_t size, size_t alignment) const {
  const uint8_t* aligned = tflite::AlignPointerUp(begin, alignment);
  if (aligned > tail() || size > static_cast<size_t>(tail() - aligned)) leave_for(size);
}

void Arena::leave_for(size_t size) const {
  leave(failure(link::ErrorCode::kArenaTooSmall, GetUsedBytes() + size, "arena too small"));
}

}  // namespace munas::engine

#endif
