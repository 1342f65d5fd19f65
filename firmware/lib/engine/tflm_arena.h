// The arena of TensorFlow Lite Micro, with an end that holds. Upstream's lets persistent memory grow
// over temporary memory, and much of what asks it takes for granted that it got something. Here the
// first request that does not fit leaves the set-up, with the size that would have been needed.
#pragma once

#include "engine.h"
#include "tensorflow/lite/micro/arena_allocator/single_arena_buffer_allocator.h"

namespace munas::engine {

class Arena final : public tflite::SingleArenaBufferAllocator {
 public:
  // Stands at the end of `memory` itself, as upstream's does, so that sizes are upstream's too.
  static Arena* create(Memory memory);

  TfLiteStatus ResizeBuffer(uint8_t* buffer, size_t size, size_t alignment) override;
  uint8_t* AllocatePersistentBuffer(size_t size, size_t alignment) override;
  uint8_t* AllocateTemp(size_t size, size_t alignment) override;
  size_t GetAvailableMemory(size_t alignment) const override;

 private:
  using SingleArenaBufferAllocator::SingleArenaBufferAllocator;

  // Where persistent memory must end: above all that is planned or temporary.
  uint8_t* free_begin() const { return GetOverlayMemoryAddress() + GetNonPersistentUsedBytes(); }
  // Leaves unless `size` bytes fit from `begin` on, aligned.
  void require_above(uint8_t* begin, size_t size, size_t alignment) const;
  void leave_for(size_t size) const;

  TF_LITE_REMOVE_VIRTUAL_DELETE
};

}  // namespace munas::engine
