/* Vectors and start-up of the test firmwares; a test may define its own fault handler. */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
extern char stack_top[];
int main(void);

__attribute__((weak)) void hard_fault(void) { for (;;) {} }
__attribute__((weak)) void bus_fault(void) { for (;;) {} }
__attribute__((weak)) void usage_fault(void) { for (;;) {} }
__attribute__((weak)) void supervisor_call(void) {}

__attribute__((noreturn)) void reset(void) {
  uint32_t *from = data_load;
  for (uint32_t *to = data_start; to < data_end; ++to) *to = *from++;
  for (uint32_t *to = bss_start; to < bss_end; ++to) *to = 0;
  (void)main();
  for (;;) {}
}

__attribute__((section(".vectors"), used)) void *const vectors[] = {
    stack_top, (void *)reset, 0, (void *)hard_fault, 0, (void *)bus_fault, (void *)usage_fault,
    0, 0, 0, 0, (void *)supervisor_call,
};
