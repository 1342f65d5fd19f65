// Reset handler and vector table of the bare ports. The linker script gives the symbols.
#if defined(MUNAS_BARE)

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../../stack.h"
#include "../cortex_m/core.h"

extern "C" {
extern uint32_t _estack[], _sstack[], _sidata[], _sdata[], _edata[], _sbss[], _ebss[];
void __libc_init_array();
int main();
void HardFault_Handler();
void _init() {}
}

namespace {

using munas::port::core::reg;

// What is in use right now lies above the stack pointer.
void paint_stack() {
  uint32_t* end;
  asm volatile("mov %0, sp" : "=r"(end));
  end -= 16;
  for (uint32_t* word = _sstack; word < end; ++word) *word = munas::stack::kPaint;
}

}  // namespace

extern "C" [[noreturn]] void Reset_Handler();

extern "C" [[noreturn]] __attribute__((used)) void munas_start_c() {
  paint_stack();
  memcpy(_sdata, _sidata, (_edata - _sdata) * sizeof(uint32_t));
  memset(_sbss, 0, (_ebss - _sbss) * sizeof(uint32_t));
  __libc_init_array();
  main();
  for (;;) asm volatile("nop");
}

// Full access to the FPU before any compiled code may touch it. The stack pointer is set here too,
// so that a debugger or an emulator may jump in.
extern "C" [[noreturn]] __attribute__((naked, used)) void Reset_Handler() {
  asm volatile(
      "ldr r0, =_estack\n"
      "mov sp, r0\n"
      "ldr r0, =0xE000ED88\n"
      "ldr r1, [r0]\n"
      "orr r1, r1, #0xF00000\n"
      "str r1, [r0]\n"
      "dsb\n"
      "isb\n"
      "ldr r0, =munas_vectors\n"
      "ldr r1, =0xE000ED08\n"
      "str r0, [r1]\n"
      "b munas_start_c\n"
      ".ltorg\n");
}

// No interrupt is ever enabled: an exception that comes all the same is a fault.
using Vector = void (*)();
struct Vectors {
  const uint32_t* initial_stack;
  Vector reset;
  Vector exceptions[14];
  Vector interrupts[96];
};

namespace {

constexpr Vectors make_vectors(const uint32_t* top) {
  Vectors vectors{top, reinterpret_cast<Vector>(Reset_Handler), {}, {}};
  for (Vector& vector : vectors.exceptions) vector = HardFault_Handler;
  for (Vector& vector : vectors.interrupts) vector = HardFault_Handler;
  return vectors;
}

}  // namespace

extern "C" {
extern const Vectors munas_vectors;
__attribute__((section(".isr_vector"), used)) const Vectors munas_vectors = make_vectors(_estack);
}

// Nothing is ever allocated; these keep the heap out of the image where a virtual destructor
// names them.
void operator delete(void*) noexcept {}
void operator delete(void*, size_t) noexcept {}

#endif
