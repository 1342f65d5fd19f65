/* Work of the kind that int8 inference does, as many rounds as asked for by a byte on the line:
 * 'a' is one unit of rounds, 'b' two, and so on. Answers with a check sum and, where the clock is an
 * instruction count (QEMU's -icount), with the ticks that passed.
 */
#include <arm_acle.h>
#include <string.h>

#include "board.h"

#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#ifndef UNIT
#define UNIT 1
#endif

static int8_t image[24 * 24 * 4], weights[8 * 9 * 4], out[22 * 22 * 8];
static float table[64];

static inline int32_t clamp(int32_t v) { return v > 127 ? 127 : v < -128 ? -128 : v; }

static inline int8x4_t rotated(int8x4_t v) { return (int8x4_t)((uint32_t)v >> 8 | (uint32_t)v << 24); }

/* Four products, as CMSIS-NN has them: bytes widened in pairs, two dual multiply-accumulates. */
static inline int32_t four(const int8_t *a, const int8_t *b, int32_t sum) {
  int8x4_t x, y;
  memcpy(&x, a, 4);
  memcpy(&y, b, 4);
  sum = __smlad(__sxtb16(x), __sxtb16(y), sum);
  return __smlad(__sxtb16(rotated(x)), __sxtb16(rotated(y)), sum);
}

static uint32_t convolve(uint32_t seed) {
  for (int y = 0; y < 22; ++y)
    for (int x = 0; x < 22; ++x)
      for (int c = 0; c < 8; ++c) {
        int32_t sum = (int32_t)seed & 63;
        for (int ky = 0; ky < 3; ++ky) {
          const int8_t *from = image + ((y + ky) * 24 + x) * 4, *with = weights + (c * 9 + ky * 3) * 4;
          for (int k = 0; k < 12; k += 4) sum = four(from + k, with + k, sum);
        }
        out[(y * 22 + x) * 8 + c] = (int8_t)clamp(sum >> 7);
      }
  uint32_t hash = 2166136261u;
  for (unsigned i = 0; i < sizeof out; ++i) hash = (hash ^ (uint8_t)out[i]) * 16777619u;
  return hash;
}

static uint32_t rest(uint32_t seed) {
  float sum = 0;
  for (int i = 0; i < 64; ++i) sum += table[i] * 0.25f + (float)(seed % (uint32_t)(i + 3));
  uint64_t wide = (uint64_t)seed * 0x9E3779B97F4A7C15u;
  switch (seed & 7) {
    case 0: wide ^= wide >> 7; break;
    case 1: wide += 99; break;
    case 3: wide = wide << 9 | wide >> 55; break;
    case 6: wide = ~wide; break;
    default: break;
  }
  return (uint32_t)(int32_t)sum ^ (uint32_t)(wide >> 32);
}

int main(void) {
  serial_open();
  fpu_on();
  for (unsigned i = 0; i < sizeof image; ++i) image[i] = (int8_t)(i * 37 + 11);
  for (unsigned i = 0; i < sizeof weights; ++i) weights[i] = (int8_t)(i * 73 + 5);
  for (int i = 0; i < 64; ++i) table[i] = (float)i * 1.5f;
  SYST_RVR = 0xFFFFFF;
  SYST_CVR = 0;
  SYST_CSR = 5;
  serial_text("ready\n"); /* QEMU drops what comes before the receiver is on */
  for (;;) {
    uint32_t rounds = (uint32_t)(serial_get() - 'a' + 1) * UNIT, hash = 0;
    uint32_t before = SYST_CVR;
    for (uint32_t i = 0; i < rounds; ++i) hash = hash * 31 + (convolve(i) ^ rest(i + hash));
    uint32_t ticks = (before - SYST_CVR) & 0xFFFFFF;
    serial_hex(hash);
    serial_hex(ticks);
  }
}
