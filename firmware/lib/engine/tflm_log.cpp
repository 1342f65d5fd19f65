// DebugLog and DebugVsnprintf of TensorFlow Lite Micro without the C library's printf, which would
// bring a heap. Knows %s %c %d %i %u %x %p and %% with l, z and h; the width and %f are left out.
#if defined(MUNAS_ENGINE_TFLM)

#include "tflm_log.h"

#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/debug_log.h"

namespace {

char text[160];

class Writer {
 public:
  Writer(char* buffer, size_t size) : buffer_(buffer), size_(size) {}
  void put(char c) {
    if (length_ + 1 < size_) buffer_[length_] = c;
    ++length_;
  }
  void put_string(const char* s) {
    for (s = s != nullptr ? s : "(null)"; *s != '\0'; ++s) put(*s);
  }
  void put_number(uint64_t value, unsigned base) {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    while (count > 0) put(digits[--count]);
  }
  void put_signed(int64_t value) {
    if (value < 0) put('-');
    put_number(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 10);
  }
  int finish() {
    if (size_ > 0) buffer_[length_ < size_ ? length_ : size_ - 1] = '\0';
    return static_cast<int>(length_);
  }

 private:
  char* buffer_;
  size_t size_;
  size_t length_ = 0;
};

int64_t signed_argument(va_list* args, int longs) {
  if (longs >= 2) return va_arg(*args, long long);
  return longs == 1 ? va_arg(*args, long) : va_arg(*args, int);
}

uint64_t unsigned_argument(va_list* args, int longs) {
  if (longs >= 2) return va_arg(*args, unsigned long long);
  return longs == 1 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

void put_argument(Writer& writer, char kind, int longs, va_list* args) {
  switch (kind) {
    case 's': writer.put_string(va_arg(*args, const char*)); break;
    case 'c': writer.put(static_cast<char>(va_arg(*args, int))); break;
    case 'd':
    case 'i': writer.put_signed(signed_argument(args, longs)); break;
    case 'u': writer.put_number(unsigned_argument(args, longs), 10); break;
    case 'x':
    case 'X': writer.put_number(unsigned_argument(args, longs), 16); break;
    case 'p': writer.put_number(reinterpret_cast<uintptr_t>(va_arg(*args, void*)), 16); break;
    case 'e':
    case 'f':
    case 'g':
      (void)va_arg(*args, double);
      writer.put('?');
      break;
    default: writer.put(kind); break;
  }
}

// Flags, width and precision say nothing that an error text needs.
bool is_decoration(char c) {
  return c == 'h' || c == '.' || c == '-' || (c >= '0' && c <= '9');
}

int format_text(char* buffer, size_t size, const char* format, va_list* args) {
  Writer writer(buffer, size);
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      writer.put(*format);
      continue;
    }
    int longs = 0;
    for (++format;; ++format) {
      if (*format == 'l') {
        ++longs;
      } else if (*format == 'z' || *format == 't') {
        longs = sizeof(size_t) == sizeof(long) ? 1 : 2;
      } else if (!is_decoration(*format)) {
        break;
      }
    }
    if (*format == '\0') break;
    put_argument(writer, *format, longs, args);
  }
  return writer.finish();
}

}  // namespace

namespace munas::engine::tflm_log {

void clear() { text[0] = '\0'; }
const char* last() { return text; }

}  // namespace munas::engine::tflm_log

extern "C" void DebugLog(const char* format, va_list args) {
  char line[sizeof(text)];
  va_list copy;
  va_copy(copy, args);
  const int length = format_text(line, sizeof(line), format, &copy);
  va_end(copy);
  // Line ends come alone: they do not wipe out what they end. The first complaint is the cause.
  if (length <= 1 || text[0] != '\0') return;
  size_t at = 0;
  for (; line[at] != '\0' && line[at] != '\n'; ++at) text[at] = line[at];
  text[at] = '\0';
}

extern "C" int DebugVsnprintf(char* buffer, size_t size, const char* format, va_list args) {
  va_list copy;
  va_copy(copy, args);
  const int length = format_text(buffer, size, format, &copy);
  va_end(copy);
  return length;
}

#endif
