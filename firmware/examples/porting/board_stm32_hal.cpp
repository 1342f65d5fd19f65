// Your board, with ST's HAL: CubeMX has set up the clock, and USART2 with its interrupt.
#include "machine.h"
#include "machine_cortex_m.h"
#include "main.h"  // CubeMX's

extern UART_HandleTypeDef huart2;

namespace machine {

const char munas_mcu[] = "STM32F411RE";
const char board[] = "my_board";

static uint8_t received;

void init() {
  start_cycle_counter();
  HAL_UART_Receive_IT(&huart2, &received, 1);
}

uint32_t clock_hz() { return SystemCoreClock; }

void unique_id(uint32_t words[3]) {
  words[0] = HAL_GetUIDw0();
  words[1] = HAL_GetUIDw1();
  words[2] = HAL_GetUIDw2();
}

void write(const uint8_t* data, size_t bytes) {
  HAL_UART_Transmit(&huart2, const_cast<uint8_t*>(data), static_cast<uint16_t>(bytes), 1000);
}

void wait_for_bytes() { __WFI(); }
void kick_watchdog() {}  // HAL_IWDG_Refresh(&hiwdg), where there is one

}  // namespace machine

extern "C" void HAL_UART_RxCpltCallback(UART_HandleTypeDef* line) {
  if (line != &huart2) return;
  machine::byte_came(machine::received);
  HAL_UART_Receive_IT(&huart2, &machine::received, 1);
}

// After an overrun the HAL receives nothing more until it is told to.
extern "C" void HAL_UART_ErrorCallback(UART_HandleTypeDef* line) {
  if (line == &huart2) HAL_UART_Receive_IT(&huart2, &machine::received, 1);
}
