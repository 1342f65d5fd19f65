// Generated from host/munas/link/messages.py by `python -m munas.link.generate`. Do not edit.
#pragma once

#include <cstddef>
#include <cstdint>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are little-endian");

namespace munas::link {

constexpr uint8_t kProtocolVersion = 1;
constexpr uint16_t kUnsolicited = 0xFFFF;
constexpr size_t kMinimumFrameCapacity = 256;

enum class MessageType : uint8_t {
  kHello = 0x01,
  kLoadBegin = 0x02,
  kLoadData = 0x03,
  kLoadEnd = 0x04,
  kPrepare = 0x05,
  kInput = 0x06,
  kRun = 0x07,
  kRead = 0x08,
  kStats = 0x09,
  kReset = 0x0A,
  kBooted = 0x80,
  kWelcome = 0x81,
  kLoadReady = 0x82,
  kLoadProgress = 0x83,
  kLoaded = 0x84,
  kPrepared = 0x85,
  kInputProgress = 0x86,
  kRan = 0x87,
  kChunk = 0x88,
  kStatistics = 0x89,
  kResetting = 0x8A,
  kError = 0xE0,
  kFault = 0xF0,
};

enum class Slot : uint8_t {
  kRam = 0x00,
  kFlash = 0x01,
  kImage = 0x02,
};

enum class Source : uint8_t {
  kIdentity = 0x00,
  kOperators = 0x01,
  kOutput = 0x02,
  kCycles = 0x03,
  kOperatorCycles = 0x04,
  kModels = 0x05,
};

enum class ResetMode : uint8_t {
  kClean = 0x00,
  kHardFault = 0x01,
  kWatchdog = 0x02,
  kStackOverflow = 0x03,
};

enum class ResetCause : uint8_t {
  kUnknown = 0x00,
  kPower = 0x01,
  kPin = 0x02,
  kSoftware = 0x03,
  kWatchdog = 0x04,
  kFault = 0x05,
};

enum class FaultKind : uint8_t {
  kNone = 0x00,
  kHardFault = 0x01,
  kWatchdog = 0x02,
  kStackOverflow = 0x03,
};

enum class ErrorCode : uint16_t {
  kCorruptFrame = 0x01,
  kBadVersion = 0x02,
  kUnknownType = 0x03,
  kBadLength = 0x04,
  kBadValue = 0x05,
  kBadSlot = 0x06,
  kDoesNotFit = 0x07,
  kNotLoaded = 0x08,
  kCrcMismatch = 0x09,
  kBadModel = 0x0A,
  kUnsupportedOperator = 0x0B,
  kArenaTooSmall = 0x0C,
  kTooManyOperators = 0x0D,
  kNotPrepared = 0x0E,
  kNoInput = 0x0F,
  kInvokeFailed = 0x10,
  kFlashFailed = 0x11,
  kBadIndex = 0x12,
};

enum class Cache : uint8_t {
  kInstruction = 0x01,
  kData = 0x02,
  kPrefetch = 0x04,
};

enum class Region : uint8_t {
  kSram = 0x00,
  kCcm = 0x01,
  kDtcm = 0x02,
  kAxiSram = 0x03,
  kFlash = 0x04,
  kHost = 0x05,
};

// Who are you? The nonce comes back, so that an old answer is never taken for this one.
struct __attribute__((packed)) Hello {
  static constexpr MessageType kType = MessageType::kHello;
  static constexpr size_t kSize = 8;
  static constexpr bool kHasTail = false;
  uint64_t nonce;
};
static_assert(sizeof(Hello) == Hello::kSize);

// A model of `size_bytes` will come; a flash slot is erased before the answer.
struct __attribute__((packed)) LoadBegin {
  static constexpr MessageType kType = MessageType::kLoadBegin;
  static constexpr size_t kSize = 5;
  static constexpr bool kHasTail = false;
  uint8_t slot;
  uint32_t size_bytes;
};
static_assert(sizeof(LoadBegin) == LoadBegin::kSize);

// Model bytes from `offset` on. Any other offset than the next one changes nothing.
struct __attribute__((packed)) LoadData {
  static constexpr MessageType kType = MessageType::kLoadData;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = true;
  uint32_t offset;
};
static_assert(sizeof(LoadData) == LoadData::kSize);

// All was sent; `crc` is the CRC-32 of the whole model.
struct __attribute__((packed)) LoadEnd {
  static constexpr MessageType kType = MessageType::kLoadEnd;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = false;
  uint32_t crc;
};
static_assert(sizeof(LoadEnd) == LoadEnd::kSize);

// Get a model ready. `index` counts within the image; an `arena_limit_bytes` of 0 means all.
struct __attribute__((packed)) Prepare {
  static constexpr MessageType kType = MessageType::kPrepare;
  static constexpr size_t kSize = 7;
  static constexpr bool kHasTail = false;
  uint8_t slot;
  uint16_t index;
  uint32_t arena_limit_bytes;
};
static_assert(sizeof(Prepare) == Prepare::kSize);

// Input tensor bytes from `offset` on.
struct __attribute__((packed)) Input {
  static constexpr MessageType kType = MessageType::kInput;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = true;
  uint32_t offset;
};
static_assert(sizeof(Input) == Input::kSize);

// Infer: `warmup` times unmeasured, `repeats` times measured; with `per_operator` once more.
struct __attribute__((packed)) Run {
  static constexpr MessageType kType = MessageType::kRun;
  static constexpr size_t kSize = 5;
  static constexpr bool kHasTail = false;
  uint16_t warmup;
  uint16_t repeats;
  uint8_t per_operator;
};
static_assert(sizeof(Run) == Run::kSize);

// Fetch bytes of `source` from `offset` on.
struct __attribute__((packed)) Read {
  static constexpr MessageType kType = MessageType::kRead;
  static constexpr size_t kSize = 5;
  static constexpr bool kHasTail = false;
  uint8_t source;
  uint32_t offset;
};
static_assert(sizeof(Read) == Read::kSize);

// How is the board?
struct __attribute__((packed)) Stats {
  static constexpr MessageType kType = MessageType::kStats;
  static constexpr size_t kSize = 0;
  static constexpr bool kHasTail = false;
};

// Restart the board.
struct __attribute__((packed)) Reset {
  static constexpr MessageType kType = MessageType::kReset;
  static constexpr size_t kSize = 1;
  static constexpr bool kHasTail = false;
  uint8_t mode;
};
static_assert(sizeof(Reset) == Reset::kSize);

// Sent unasked when the firmware starts.
struct __attribute__((packed)) Booted {
  static constexpr MessageType kType = MessageType::kBooted;
  static constexpr size_t kSize = 5;
  static constexpr bool kHasTail = false;
  uint32_t boots;
  uint8_t reset_cause;
};
static_assert(sizeof(Booted) == Booted::kSize);

// What the board is, in numbers; its strings are read as Source.IDENTITY.
struct __attribute__((packed)) Welcome {
  static constexpr MessageType kType = MessageType::kWelcome;
  static constexpr size_t kSize = 72;
  static constexpr bool kHasTail = false;
  uint64_t nonce;
  uint32_t boots;
  uint8_t reset_cause;
  uint8_t last_fault;
  uint32_t clock_hz;
  uint32_t device_id;
  uint32_t uid0;
  uint32_t uid1;
  uint32_t uid2;
  uint8_t cache;
  uint8_t flash_wait_states;
  uint8_t arena_region;
  uint8_t ram_slot_region;
  uint32_t arena_address;
  uint32_t arena_bytes;
  uint32_t ram_slot_address;
  uint32_t ram_slot_bytes;
  uint32_t flash_slot_address;
  uint32_t flash_slot_bytes;
  uint16_t frame_capacity;
  uint16_t window;
  uint16_t models;
  uint16_t max_repeats;
  uint16_t max_operators;
};
static_assert(sizeof(Welcome) == Welcome::kSize);

// The slot is ready; `window` frames may be under way at once.
struct __attribute__((packed)) LoadReady {
  static constexpr MessageType kType = MessageType::kLoadReady;
  static constexpr size_t kSize = 10;
  static constexpr bool kHasTail = false;
  uint32_t address;
  uint32_t capacity_bytes;
  uint16_t window;
};
static_assert(sizeof(LoadReady) == LoadReady::kSize);

// All bytes below `next_offset` stand in the slot.
struct __attribute__((packed)) LoadProgress {
  static constexpr MessageType kType = MessageType::kLoadProgress;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = false;
  uint32_t next_offset;
};
static_assert(sizeof(LoadProgress) == LoadProgress::kSize);

// CRC-32 of what stands in the slot, read back.
struct __attribute__((packed)) Loaded {
  static constexpr MessageType kType = MessageType::kLoaded;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = false;
  uint32_t crc;
};
static_assert(sizeof(Loaded) == Loaded::kSize);

// What the engine made of the model.
struct __attribute__((packed)) Prepared {
  static constexpr MessageType kType = MessageType::kPrepared;
  static constexpr size_t kSize = 60;
  static constexpr bool kHasTail = false;
  uint32_t arena_used_bytes;
  uint32_t arena_head_bytes;
  uint32_t arena_tail_bytes;
  uint32_t arena_bytes;
  uint16_t operators;
  uint32_t input_bytes;
  uint8_t input_rank;
  uint16_t input_dim0;
  uint16_t input_dim1;
  uint16_t input_dim2;
  uint16_t input_dim3;
  float input_scale;
  int32_t input_zero_point;
  uint32_t output_bytes;
  uint8_t output_rank;
  uint16_t output_dim0;
  uint16_t output_dim1;
  uint16_t output_dim2;
  uint16_t output_dim3;
  float output_scale;
  int32_t output_zero_point;
};
static_assert(sizeof(Prepared) == Prepared::kSize);

// How far the input tensor is filled.
struct __attribute__((packed)) InputProgress {
  static constexpr MessageType kType = MessageType::kInputProgress;
  static constexpr size_t kSize = 4;
  static constexpr bool kHasTail = false;
  uint32_t next_offset;
};
static_assert(sizeof(InputProgress) == InputProgress::kSize);

// Done; the samples are read as Source.CYCLES and Source.OPERATOR_CYCLES.
struct __attribute__((packed)) Ran {
  static constexpr MessageType kType = MessageType::kRan;
  static constexpr size_t kSize = 20;
  static constexpr bool kHasTail = false;
  uint16_t repeats;
  uint16_t operators;
  uint64_t empty_cycles;
  uint64_t profiled_cycles;
};
static_assert(sizeof(Ran) == Ran::kSize);

// Bytes from the `offset` asked for; `total_bytes` is the length of the whole.
struct __attribute__((packed)) Chunk {
  static constexpr MessageType kType = MessageType::kChunk;
  static constexpr size_t kSize = 8;
  static constexpr bool kHasTail = true;
  uint32_t total_bytes;
  uint32_t offset;
};
static_assert(sizeof(Chunk) == Chunk::kSize);

// Stack high-water mark, flash wear, uptime and the last fault of this power-on.
struct __attribute__((packed)) Statistics {
  static constexpr MessageType kType = MessageType::kStatistics;
  static constexpr size_t kSize = 49;
  static constexpr bool kHasTail = false;
  uint32_t stack_bytes;
  uint32_t stack_used_bytes;
  uint32_t flash_erases;
  uint64_t uptime_cycles;
  uint32_t corrupt_frames;
  uint8_t fault_kind;
  uint32_t fault_pc;
  uint32_t fault_lr;
  uint32_t fault_psr;
  uint32_t fault_cfsr;
  uint32_t fault_hfsr;
  uint32_t fault_address;
};
static_assert(sizeof(Statistics) == Statistics::kSize);

// The board restarts now.
struct __attribute__((packed)) Resetting {
  static constexpr MessageType kType = MessageType::kResetting;
  static constexpr size_t kSize = 0;
  static constexpr bool kHasTail = false;
};

// The request was refused. `detail` is a number that goes with `code`; `text` explains.
struct __attribute__((packed)) Error {
  static constexpr MessageType kType = MessageType::kError;
  static constexpr size_t kSize = 6;
  static constexpr bool kHasTail = true;
  uint16_t code;
  uint32_t detail;
};
static_assert(sizeof(Error) == Error::kSize);

// The board broke down over the request and has restarted.
struct __attribute__((packed)) Fault {
  static constexpr MessageType kType = MessageType::kFault;
  static constexpr size_t kSize = 25;
  static constexpr bool kHasTail = false;
  uint8_t kind;
  uint32_t pc;
  uint32_t lr;
  uint32_t psr;
  uint32_t cfsr;
  uint32_t hfsr;
  uint32_t address;
};
static_assert(sizeof(Fault) == Fault::kSize);

}  // namespace munas::link
