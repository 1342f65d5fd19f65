// The machine is a process of Linux, its line a TCP socket, its clock one of 1 GHz that counts
// nanoseconds. PORTING_PORT chooses the port (0 or nothing: any); the port is printed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "machine.h"

namespace machine {
namespace {

int listener = -1;
int connection = -1;

[[noreturn]] void give_up(const char* what) {
  perror(what);
  exit(1);
}

void listen_on(uint16_t port) {
  listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, generic, sizeof(address)) != 0 || listen(listener, 1) != 0) give_up("listen");
  socklen_t length = sizeof(address);
  getsockname(listener, generic, &length);
  printf("socket://127.0.0.1:%u\n", ntohs(address.sin_port));
  fflush(stdout);
}

void wait_for_host() {
  connection = accept(listener, nullptr, nullptr);
  if (connection < 0) give_up("accept");
  // A frame goes out in several pieces: they must not wait for each other's acknowledgement.
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

const char munas_mcu[] = "LINUX_PC";
const char board[] = "porting_example";

// A restart hands the open sockets on, as a reset leaves a serial line where it is.
void init() {
  const char* const inherited = getenv("PORTING_SOCKETS");
  if (inherited != nullptr && sscanf(inherited, "%d,%d", &listener, &connection) == 2) return;
  const char* const port = getenv("PORTING_PORT");
  listen_on(static_cast<uint16_t>(port == nullptr ? 0 : atoi(port)));
}

void restart() {
  char sockets[32];
  snprintf(sockets, sizeof(sockets), "%d,%d", listener, connection);
  setenv("PORTING_SOCKETS", sockets, 1);
  execl("/proc/self/exe", "porting", static_cast<char*>(nullptr));
  give_up("exec");
}

uint32_t clock_hz() { return 1000000000; }

uint64_t cycles() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void unique_id(uint32_t words[3]) { words[0] = words[1] = words[2] = 0; }

size_t read(uint8_t* data, size_t capacity) {
  for (;;) {
    if (connection < 0) wait_for_host();
    const ssize_t count = recv(connection, data, capacity, 0);
    if (count > 0) return static_cast<size_t>(count);
    close(connection);  // the host has gone; another one may come
    connection = -1;
  }
}

void write(const uint8_t* data, size_t bytes) {
  while (connection >= 0 && bytes > 0) {
    const ssize_t count = send(connection, data, bytes, MSG_NOSIGNAL);
    if (count <= 0) return;
    data += count;
    bytes -= static_cast<size_t>(count);
  }
}

void kick_watchdog() {}
uint32_t lock_interrupts() { return 0; }
void unlock_interrupts(uint32_t) {}

}  // namespace machine
