// A firmware that munas measures, with firmware/lib/link as the only part of munas in it: it
// answers seven requests about one model that is compiled in.
#include <algorithm>
#include <cstring>

#include "framing.h"
#include "machine.h"
#include "model.h"

namespace {

namespace link = munas::link;
using link::ErrorCode;
using link::MessageType;

constexpr uint16_t kMaxRepeats = 100;

link::Deframer in;
link::OutFrame out;  // keeps the last reply: a request that comes again gets the same answer
bool kept = false;
uint32_t kept_crc = 0;
uint16_t sequence = link::kUnsolicited;
uint32_t corrupt_frames = 0;

alignas(16) int8_t input[own::kInputBytes];
alignas(16) int8_t output[own::kOutputBytes];
bool prepared = false;
uint32_t input_bytes = 0;  // how many have come
uint16_t repeats = 0;      // samples of the last run
uint64_t samples[kMaxRepeats];
bool profiled = false;
uint64_t operator_cycles[own::kOperators];

template <class M>
void reply(const M& message, size_t tail = 0) {
  memcpy(out.payload(), &message, M::kSize);
  out.seal(sequence, M::kType, M::kSize + tail);
}

void refuse(ErrorCode code, uint32_t detail, const char* text) {
  const size_t length = strlen(text);
  memcpy(out.payload() + link::Error::kSize, text, length);
  reply(link::Error{static_cast<uint16_t>(code), detail}, length);
}

void on(const link::Hello& request) {
  uint32_t uid[3];
  machine::unique_id(uid);
  link::Welcome welcome{};  // what is not set here is not known: 0
  welcome.nonce = request.nonce;
  welcome.clock_hz = machine::clock_hz();
  welcome.uid0 = uid[0];
  welcome.uid1 = uid[1];
  welcome.uid2 = uid[2];
  welcome.arena_region = static_cast<uint8_t>(link::Region::kSram);
  welcome.arena_bytes = own::kActivationBytes;
  welcome.frame_capacity = link::kFrameCapacity;
  welcome.window = 1;
  welcome.models = 1;
  welcome.max_repeats = kMaxRepeats;
  welcome.max_operators = own::kOperators;
  reply(welcome);
}

// Text, a NUL after each. An empty text is not known and becomes a null in the measurement.
constexpr char kModels[] = "model.tflite\0" OWN_MODEL_SHA256;
constexpr char kOperators[] = "RESHAPE\0" "FULLY_CONNECTED\0" "FULLY_CONNECTED";
constexpr const char* kIdentity[] = {
    "",                  // digest of your sources
    "own",               // the engine: any name but `tflm` and `aot`
    "1.0",               // its revision
    "by hand",           // its kernels
    "gcc " __VERSION__,  // the compiler
    "",                  // its flags
    machine::munas_mcu,
    machine::board,
};
char identity[256];
size_t identity_bytes = 0;

void write_identity() {
  for (const char* text : kIdentity) {
    const size_t room = sizeof(identity) - identity_bytes;
    const size_t length = std::min<size_t>(strlen(text) + 1, room);
    memcpy(identity + identity_bytes, text, length);
    identity_bytes += length;
  }
}

struct Bytes {
  const void* data;
  size_t size;
};

Bytes bytes_of(uint8_t source) {
  switch (static_cast<link::Source>(source)) {
    case link::Source::kIdentity: return {identity, identity_bytes};
    case link::Source::kModels: return {kModels, sizeof(kModels)};
    case link::Source::kOperators: return {kOperators, sizeof(kOperators)};
    case link::Source::kOutput: return {output, sizeof(output)};
    case link::Source::kCycles: return {samples, repeats * sizeof(samples[0])};
    case link::Source::kOperatorCycles:
      return {operator_cycles, profiled ? sizeof(operator_cycles) : 0};
  }
  return {nullptr, 0};
}

void on(const link::Read& request) {
  const Bytes all = bytes_of(request.source);
  if (all.data == nullptr || request.offset > all.size)
    return refuse(ErrorCode::kBadValue, request.source, "no such source or offset");
  const size_t room = link::kFrameCapacity - link::Chunk::kSize;
  const size_t bytes = std::min<size_t>(all.size - request.offset, room);
  memcpy(out.payload() + link::Chunk::kSize,
         static_cast<const uint8_t*>(all.data) + request.offset, bytes);
  reply(link::Chunk{static_cast<uint32_t>(all.size), request.offset}, bytes);
}

void on(const link::Prepare& request) {
  prepared = false;
  if (request.slot != static_cast<uint8_t>(link::Slot::kImage))
    return refuse(ErrorCode::kBadSlot, request.slot, "models are compiled in");
  if (request.index != 0) return refuse(ErrorCode::kBadIndex, 1, "one model is compiled in");
  prepared = true;
  input_bytes = 0;
  repeats = 0;
  profiled = false;
  link::Prepared made{};
  made.arena_used_bytes = own::kActivationBytes;
  made.arena_bytes = own::kActivationBytes;
  made.operators = own::kOperators;
  made.input_bytes = own::kInputBytes;
  made.input_rank = 4;
  made.input_dim0 = 1;
  made.input_dim1 = 4;
  made.input_dim2 = 4;
  made.input_dim3 = 1;
  made.input_scale = own::kInputScale;
  made.input_zero_point = own::kInputZeroPoint;
  made.output_bytes = own::kOutputBytes;
  made.output_rank = 2;
  made.output_dim0 = 1;
  made.output_dim1 = 3;
  made.output_scale = own::kOutputScale;
  made.output_zero_point = own::kOutputZeroPoint;
  reply(made);
}

void on(const link::Input& request, const uint8_t* data, size_t bytes) {
  if (!prepared) return refuse(ErrorCode::kNotPrepared, 0, "PREPARE comes first");
  if (request.offset == 0) input_bytes = 0;
  if (request.offset == input_bytes) {
    if (bytes > sizeof(input) - input_bytes)
      return refuse(ErrorCode::kBadLength, sizeof(input), "the input is smaller");
    memcpy(input + input_bytes, data, bytes);
    input_bytes += static_cast<uint32_t>(bytes);
  }
  reply(link::InputProgress{input_bytes});
}

void nothing() { asm volatile("" ::: "memory"); }
void infer() { own::infer(input, output, nullptr); }

__attribute__((noinline)) uint64_t timed(void (*call)()) {
  const uint32_t interrupts = machine::lock_interrupts();
  const uint64_t begun = machine::cycles();
  call();
  const uint64_t cycles = machine::cycles() - begun;
  machine::unlock_interrupts(interrupts);
  return cycles;
}

// Charges an operator with the cycles since the one before it.
uint64_t last_mark = 0;
void mark(uint32_t index) {
  operator_cycles[index] = machine::cycles() - last_mark;
  last_mark = machine::cycles();
}

void on(const link::Run& request) {
  if (!prepared || input_bytes != sizeof(input))
    return refuse(ErrorCode::kNoInput, input_bytes, "PREPARE and INPUT come first");
  if (request.repeats > kMaxRepeats || request.warmup > kMaxRepeats)
    return refuse(ErrorCode::kBadValue, kMaxRepeats, "too many repeats at once");
  for (uint16_t i = 0; i < request.warmup; ++i) infer();
  for (uint16_t i = 0; i < request.repeats; ++i) {
    machine::kick_watchdog();
    samples[i] = timed(infer);
  }
  repeats = request.repeats;
  link::Ran ran{repeats, 0, timed(nothing), 0};
  profiled = request.per_operator != 0;
  if (profiled) {
    const uint32_t interrupts = machine::lock_interrupts();
    const uint64_t begun = last_mark = machine::cycles();
    own::infer(input, output, mark);
    ran.profiled_cycles = machine::cycles() - begun;
    machine::unlock_interrupts(interrupts);
    ran.operators = own::kOperators;
  }
  reply(ran);
}

void on(const link::Stats&) {
  link::Statistics found{};  // a stack of 0 bytes: not known
  found.uptime_cycles = machine::cycles();
  found.corrupt_frames = corrupt_frames;
  reply(found);
}

void on(const link::Reset& request) {
  if (request.mode != static_cast<uint8_t>(link::ResetMode::kClean))
    return refuse(ErrorCode::kBadValue, request.mode, "only a clean reset");
  reply(link::Resetting{});
  out.send(machine::write);
  machine::restart();
}

// Reads the fixed part of an M and hands it on.
template <class M>
void take(size_t length) {
  if (length < M::kSize || (length > M::kSize && !M::kHasTail))
    return refuse(ErrorCode::kBadLength, static_cast<uint32_t>(length), "not its length");
  M message;
  memcpy(static_cast<void*>(&message), in.payload(), M::kSize);
  if constexpr (M::kHasTail) {
    on(message, in.payload() + M::kSize, length - M::kSize);
  } else {
    on(message);
  }
}

void handle(const link::Header& header) {
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::kHello: return take<link::Hello>(header.length);
    case MessageType::kRead: return take<link::Read>(header.length);
    case MessageType::kPrepare: return take<link::Prepare>(header.length);
    case MessageType::kInput: return take<link::Input>(header.length);
    case MessageType::kRun: return take<link::Run>(header.length);
    case MessageType::kStats: return take<link::Stats>(header.length);
    case MessageType::kReset: return take<link::Reset>(header.length);
    default: return refuse(ErrorCode::kUnknownType, header.type, "no such request");
  }
}

void answer() {
  const link::Header header = in.header();
  if (!kept || in.crc() != kept_crc) {
    sequence = header.sequence;
    if (header.version == link::kProtocolVersion) {
      handle(header);
    } else {
      refuse(ErrorCode::kBadVersion, link::kProtocolVersion, "another protocol version");
    }
    kept = true;
    kept_crc = in.crc();
  }
  out.send(machine::write);
}

// The body of a task of its own; it never returns.
void serve() {
  write_identity();
  reply(link::Booted{0, static_cast<uint8_t>(link::ResetCause::kUnknown)});
  out.send(machine::write);
  for (;;) {
    uint8_t bytes[64];
    const size_t count = machine::read(bytes, sizeof(bytes));
    for (size_t i = 0; i < count; ++i) {
      const link::Deframer::Event event = in.feed(bytes[i]);
      if (event == link::Deframer::Event::kFrame) answer();
      if (event == link::Deframer::Event::kCorrupt) ++corrupt_frames;
    }
  }
}

}  // namespace

int main() {
  machine::init();
  serve();
}
