#if defined(__arm__)

#include "core.h"

#include "../../journal.h"
#include "../port.h"

namespace munas::port {
namespace core {

void start_cycle_counter() {
  reg(kDemcr) = reg(kDemcr) | (1u << 24);
  reg(kDwtLar) = 0xC5ACCE55;
  reg(kDwtCyccnt) = 0;
  reg(kDwtCtrl) = reg(kDwtCtrl) | 1u;
}

void guard_stack(const uint32_t* low) {
  if (reg(kMpuType) == 0) return;
  // Region 7 wins over all others; code without a region of its own keeps the default map.
  reg(kMpuRnr) = 7;
  reg(kMpuRbar) = reinterpret_cast<uint32_t>(low) - kGuardBytes;
  reg(kMpuRasr) = (1u << 28) | (7u << 1) | 1u;  // no access, 2^(7 + 1) bytes, enabled
  reg(kMpuCtrl) = (1u << 2) | 1u;
  asm volatile("dsb\n isb" ::: "memory");
}

void clean_data_cache() {
#if defined(__ARM_ARCH_7EM__) && defined(MUNAS_CORTEX_M7)
  // By set and way over CCSIDR, as the ARMv7-M manual prescribes.
  constexpr uint32_t kCsselr = 0xE000ED84, kCcsidr = 0xE000ED80, kDccsw = 0xE000EF6C;
  reg(kCsselr) = 0;
  asm volatile("dsb" ::: "memory");
  const uint32_t size = reg(kCcsidr);
  const uint32_t sets = (size >> 13) & 0x7FFF, ways = (size >> 3) & 0x3FF;
  for (uint32_t set = 0; set <= sets; ++set)
    for (uint32_t way = 0; way <= ways; ++way) reg(kDccsw) = (set << 5) | (way << 30);
#endif
  asm volatile("dsb\n isb" ::: "memory");
}

}  // namespace core

uint64_t now_cycles() {
  static uint32_t last = 0;
  static uint32_t wraps = 0;
  const uint32_t now = core::reg(core::kDwtCyccnt);
  if (now < last) ++wraps;
  last = now;
  return uint64_t{wraps} << 32 | now;
}

InterruptLock::InterruptLock() {
  asm volatile("mrs %0, primask\n cpsid i" : "=r"(previous_)::"memory");
}

InterruptLock::~InterruptLock() { asm volatile("msr primask, %0" ::"r"(previous_) : "memory"); }

void reset() {
  core::clean_data_cache();
  core::reg(core::kAircr) = 0x05FA0004;
  asm volatile("dsb" ::: "memory");
  for (;;) asm volatile("nop");
}

void hang() {
  for (;;) asm volatile("nop");
}

void hard_fault() {
  asm volatile("udf #0");
  for (;;) asm volatile("nop");
}

// Not to be made a loop of: every call takes stack, down to the end and a little beyond.
__attribute__((noinline)) void overflow_stack() {
  volatile uint32_t room[16];
  for (volatile uint32_t& word : room) word = 0;
  if (&room[0] > stack().low) overflow_stack();
  room[0] = 1;
}

}  // namespace munas::port

// A failed assertion comes back as a fault whose LR is its place, unless an engine knows a better
// way. The C library's own ways to die would bring its streams and a heap into the image.
extern "C" __attribute__((weak)) void munas_assertion_failed(uint32_t) {}
extern "C" [[noreturn]] __attribute__((naked)) void abort() {
  asm volatile(
      "push {r0, lr}\n"
      "mov r0, lr\n"
      "bl munas_assertion_failed\n"
      "pop {r0, lr}\n"
      "udf #1\n");
}
extern "C" [[noreturn]] __attribute__((naked)) void __assert_func(const char*, int, const char*,
                                                                  const char*) {
  asm volatile("b abort");
}

// r0 = the frame that the exception pushed. Runs on a fresh stack: the old one may be the cause.
extern "C" [[noreturn]] __attribute__((used)) void munas_capture_fault(const uint32_t* frame) {
  using namespace munas;
  namespace core = port::core;
  journal::Crash crash{};
  crash.kind = link::FaultKind::kHardFault;
  crash.cfsr = core::reg(core::kCfsr);
  crash.hfsr = core::reg(core::kHfsr);
  // MMFARVALID and BFARVALID tell which address register means something.
  if (crash.cfsr & (1u << 7)) crash.address = core::reg(core::kMmfar);
  if (crash.cfsr & (1u << 15)) crash.address = core::reg(core::kBfar);
  const port::Stack stack = port::stack();
  if (frame < stack.low) {
    crash.kind = link::FaultKind::kStackOverflow;
  } else if (frame + 8 <= stack.high) {
    crash.lr = frame[5];
    crash.pc = frame[6];
    crash.psr = frame[7];
  }
  journal::record(crash);
  port::reset();
}

extern "C" __attribute__((naked, used)) void HardFault_Handler() {
  asm volatile(
      "tst lr, #4\n"
      "ite eq\n"
      "mrseq r0, msp\n"
      "mrsne r0, psp\n"
      "ldr r1, =0xE000ED08\n"
      "ldr r1, [r1]\n"
      "ldr r1, [r1]\n"
      "sub r1, r1, #256\n"
      "msr msp, r1\n"
      "b munas_capture_fault\n"
      ".ltorg\n");
}

#endif
