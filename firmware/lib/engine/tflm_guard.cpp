#if defined(MUNAS_ENGINE_TFLM)

#include "tflm_guard.h"

#include "tflm_log.h"

namespace munas::engine {
namespace {

// The compiler's own jump: the C library's does not keep the FPU's registers.
void* place[5];
bool open = false;
Outcome given{};

}  // namespace

__attribute__((noinline)) Outcome guarded(Outcome (*work)()) {
  if (__builtin_setjmp(place) != 0) return given;
  open = true;
  const Outcome outcome = work();
  open = false;
  return outcome;
}

__attribute__((noinline)) void leave(const Outcome& outcome) {
  if (!open) return;
  open = false;
  given = outcome;
  __builtin_longjmp(place, 1);
}

}  // namespace munas::engine

// A failed assertion; the port calls it before it gives up.
extern "C" void munas_assertion_failed(uint32_t place) {
  using namespace munas;
  const char* text = engine::tflm_log::last();
  engine::leave(engine::failure(link::ErrorCode::kBadModel, place,
                                text[0] != '\0' ? text : "an assertion of the interpreter"));
}

#endif
