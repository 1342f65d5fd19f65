// The names of ST's HAL that the example uses, so that it can be compiled without the HAL.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int unused;
} UART_HandleTypeDef;
typedef enum { HAL_OK = 0 } HAL_StatusTypeDef;

extern uint32_t SystemCoreClock;
uint32_t HAL_GetUIDw0(void);
uint32_t HAL_GetUIDw1(void);
uint32_t HAL_GetUIDw2(void);
HAL_StatusTypeDef HAL_UART_Receive_IT(UART_HandleTypeDef* line, uint8_t* data, uint16_t size);
HAL_StatusTypeDef HAL_UART_Transmit(UART_HandleTypeDef* line, uint8_t* data, uint16_t size,
                                    uint32_t timeout);
static inline void __WFI(void) { __asm volatile("wfi"); }

#ifdef __cplusplus
}
#endif
