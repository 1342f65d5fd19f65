#include "dispatch.h"

#include <cstring>

#include "build_info.h"
#include "chunk.h"
#include "engine.h"
#include "journal.h"
#include "port/port.h"
#include "profiler.h"
#include "runner.h"
#include "slots.h"
#include "stack.h"

namespace munas::dispatch {
namespace {

using engine::Outcome;
using link::ErrorCode;
using link::MessageType;

// Frames of a load that may be under way: enough to hide a line's latency, as nothing is buffered
// here but in the line itself. A flash slot takes one, since programming stalls the core.
constexpr uint16_t kRamWindow = 8;
constexpr uint16_t kFlashWindow = 1;

struct Kept {
  bool valid;
  uint32_t request_crc;
};

link::OutFrame out;
link::OutFrame notice;  // unasked frames, so that the kept reply stays
Kept kept{false, 0};
uint16_t sequence = 0;
uint32_t corrupt_frames = 0;

void send(const link::OutFrame& frame) {
  frame.send(port::uart_write);
  port::uart_flush();
}

template <class M>
void seal(const M& message, link::OutFrame& frame, uint16_t number, size_t tail = 0) {
  memcpy(frame.payload(), &message, M::kSize);
  frame.seal(number, M::kType, M::kSize + tail);
}

template <class M>
void reply(const M& message) {
  seal(message, out, sequence);
}

void reply_error(ErrorCode code, uint32_t detail, const char* text) {
  const link::Error error{static_cast<uint16_t>(code), detail};
  const size_t room = link::kFrameCapacity - link::Error::kSize;
  const size_t length = strnlen(text, room);
  memcpy(out.payload() + link::Error::kSize, text, length);
  seal(error, out, sequence, length);
}

void reply_error(const Outcome& outcome) {
  reply_error(outcome.code, outcome.detail, outcome.text);
}

link::Fault fault_message(const journal::Crash& crash) {
  return {static_cast<uint8_t>(crash.kind), crash.pc, crash.lr, crash.psr, crash.cfsr, crash.hfsr,
          crash.address};
}

uint32_t address_of(const port::Region& region) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(region.data));
}

void on(const link::Hello& request) {
  uint32_t uid[3];
  port::unique_id(uid);
  const port::Region arena = port::arena();
  const port::Region ram = port::ram_slot();
  const port::Region flash = port::flash_slot();
  link::Welcome welcome{};
  welcome.nonce = request.nonce;
  welcome.boots = journal::boots();
  welcome.reset_cause = static_cast<uint8_t>(
      journal::fresh_crash() != nullptr ? link::ResetCause::kFault : port::reset_cause());
  welcome.last_fault = static_cast<uint8_t>(journal::last_crash().kind);
  welcome.clock_hz = port::clock_hz();
  welcome.device_id = port::device_id();
  welcome.uid0 = uid[0];
  welcome.uid1 = uid[1];
  welcome.uid2 = uid[2];
  welcome.cache = port::cache_state();
  welcome.flash_wait_states = port::flash_wait_states();
  welcome.arena_region = static_cast<uint8_t>(arena.kind);
  welcome.ram_slot_region = static_cast<uint8_t>(ram.kind);
  welcome.arena_address = address_of(arena);
  welcome.arena_bytes = arena.bytes;
  welcome.ram_slot_address = address_of(ram);
  welcome.ram_slot_bytes = ram.bytes;
  welcome.flash_slot_address = address_of(flash);
  welcome.flash_slot_bytes = slots::flash_capacity();
  welcome.frame_capacity = link::kFrameCapacity;
  welcome.window = kRamWindow;
  welcome.models = engine::image_models();
  welcome.max_repeats = runner::kMaxRepeats;
  welcome.max_operators = profiler::kMaxOperators;
  reply(welcome);
}

void on(const link::LoadBegin& request) {
  runner::forget();
  const auto slot = static_cast<link::Slot>(request.slot);
  slots::Place place{};
  const Outcome outcome = slots::begin(slot, request.size_bytes, &place);
  if (!outcome.ok) return reply_error(outcome);
  const uint16_t window = slot == link::Slot::kFlash ? kFlashWindow : kRamWindow;
  reply(link::LoadReady{place.address, place.capacity, window});
}

void on(const link::LoadData& request, const uint8_t* data, size_t bytes) {
  uint32_t next = 0;
  const Outcome outcome = slots::append(request.offset, data, static_cast<uint32_t>(bytes), &next);
  if (!outcome.ok) return reply_error(outcome);
  reply(link::LoadProgress{next});
}

void on(const link::LoadEnd& request) {
  uint32_t found = 0;
  const Outcome outcome = slots::end(request.crc, &found);
  if (!outcome.ok) return reply_error(outcome);
  reply(link::Loaded{found});
}

void on(const link::Prepare& request) {
  if (request.slot > static_cast<uint8_t>(link::Slot::kImage))
    return reply_error(ErrorCode::kBadSlot, request.slot, "no such slot");
  engine::ModelInfo info{};
  const Outcome outcome = runner::prepare(static_cast<link::Slot>(request.slot), request.index,
                                          request.arena_limit_bytes, &info);
  if (!outcome.ok) return reply_error(outcome);
  const engine::TensorInfo& in = info.input;
  const engine::TensorInfo& result = info.output;
  const uint32_t arena =
      request.arena_limit_bytes != 0 ? request.arena_limit_bytes : port::arena().bytes;
  reply(link::Prepared{info.arena_used, info.arena_head, info.arena_tail, arena, info.operators,
                       in.bytes, in.rank, in.dims[0], in.dims[1], in.dims[2], in.dims[3], in.scale,
                       in.zero_point, result.bytes, result.rank, result.dims[0], result.dims[1],
                       result.dims[2], result.dims[3], result.scale, result.zero_point});
}

void on(const link::Input& request, const uint8_t* data, size_t bytes) {
  uint32_t next = 0;
  const Outcome outcome =
      runner::set_input(request.offset, data, static_cast<uint32_t>(bytes), &next);
  if (!outcome.ok) return reply_error(outcome);
  reply(link::InputProgress{next});
}

void on(const link::Run& request) {
  runner::Result result{};
  const Outcome outcome =
      runner::run(request.warmup, request.repeats, request.per_operator != 0, &result);
  if (!outcome.ok) return reply_error(outcome);
  reply(link::Ran{result.repeats, result.profiled_operators, result.empty_cycles,
                  result.profiled_cycles});
}

void write_identity(ChunkWriter& chunk) {
  chunk.put_string(build_info::source_digest());
  chunk.put_string(engine::name());
  chunk.put_string(engine::revision());
  chunk.put_string(engine::kernels());
  chunk.put_string(build_info::compiler());
  chunk.put_string(build_info::flags());
  chunk.put_string(port::munas_mcu);
  chunk.put_string(build_info::board());
}

// False when there is nothing of the kind yet.
bool write_source(link::Source source, ChunkWriter& chunk) {
  switch (source) {
    case link::Source::kIdentity:
      write_identity(chunk);
      return true;
    case link::Source::kModels:
      for (uint16_t i = 0; i < engine::image_models(); ++i) {
        chunk.put_string(engine::image_model_name(i));
        chunk.put_string(engine::image_model_sha256(i));
      }
      return true;
    case link::Source::kOperators:
      if (!runner::prepared()) return false;
      for (uint16_t i = 0; i < runner::info().operators; ++i)
        chunk.put_string(engine::operator_name(i));
      return true;
    case link::Source::kOutput:
      if (!runner::prepared()) return false;
      chunk.put(runner::output(), runner::info().output.bytes);
      return true;
    case link::Source::kCycles:
      chunk.put(runner::cycles(), runner::last().repeats * sizeof(uint64_t));
      return true;
    case link::Source::kOperatorCycles:
      chunk.put(profiler::cycles(), runner::last().profiled_operators * sizeof(uint64_t));
      return true;
  }
  return false;
}

void on(const link::Read& request) {
  if (request.source > static_cast<uint8_t>(link::Source::kModels))
    return reply_error(ErrorCode::kBadValue, request.source, "no such source");
  ChunkWriter chunk(request.offset, out.payload() + link::Chunk::kSize,
                    link::kFrameCapacity - link::Chunk::kSize);
  if (!write_source(static_cast<link::Source>(request.source), chunk))
    return reply_error(ErrorCode::kNotPrepared, request.source, "PREPARE comes first");
  if (request.offset > chunk.total())
    return reply_error(ErrorCode::kBadValue, chunk.total(), "offset beyond the end");
  seal(link::Chunk{chunk.total(), request.offset}, out, sequence, chunk.filled());
}

void on(const link::Stats&) {
  const journal::Crash& crash = journal::last_crash();
  reply(link::Statistics{stack::total_bytes(), stack::used_bytes(), slots::flash_erases(),
                         port::now_cycles(), corrupt_frames, static_cast<uint8_t>(crash.kind),
                         crash.pc, crash.lr, crash.psr, crash.cfsr, crash.hfsr, crash.address});
}

void on(const link::Reset& request) {
  switch (static_cast<link::ResetMode>(request.mode)) {
    case link::ResetMode::kClean:
      journal::request_ends();
      seal(link::Resetting{}, notice, sequence);
      send(notice);
      port::reset();
    case link::ResetMode::kHardFault:
      port::hard_fault();
    case link::ResetMode::kWatchdog:
      port::hang();
    case link::ResetMode::kStackOverflow:
      port::overflow_stack();
      return reply_error(ErrorCode::kBadValue, request.mode, "the stack did not overflow");
  }
  reply_error(ErrorCode::kBadValue, request.mode, "no such way to reset");
}

// Reads the fixed part of an M and hands it on; false when the length does not fit.
template <class M>
bool take(const uint8_t* payload, size_t length) {
  if (length < M::kSize || (length > M::kSize && !M::kHasTail)) return false;
  M message;
  memcpy(static_cast<void*>(&message), payload, M::kSize);
  if constexpr (M::kHasTail) {
    on(message, payload + M::kSize, length - M::kSize);
  } else {
    on(message);
  }
  return true;
}

void handle_request(const link::Header& header, const uint8_t* payload) {
  bool fits = true;
  const size_t length = header.length;
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::kHello: fits = take<link::Hello>(payload, length); break;
    case MessageType::kLoadBegin: fits = take<link::LoadBegin>(payload, length); break;
    case MessageType::kLoadData: fits = take<link::LoadData>(payload, length); break;
    case MessageType::kLoadEnd: fits = take<link::LoadEnd>(payload, length); break;
    case MessageType::kPrepare: fits = take<link::Prepare>(payload, length); break;
    case MessageType::kInput: fits = take<link::Input>(payload, length); break;
    case MessageType::kRun: fits = take<link::Run>(payload, length); break;
    case MessageType::kRead: fits = take<link::Read>(payload, length); break;
    case MessageType::kStats: fits = take<link::Stats>(payload, length); break;
    case MessageType::kReset: fits = take<link::Reset>(payload, length); break;
    default: return reply_error(ErrorCode::kUnknownType, header.type, "no such request");
  }
  if (!fits) reply_error(ErrorCode::kBadLength, header.length, "length does not fit the type");
}

}  // namespace

void announce() {
  const journal::Crash* crash = journal::fresh_crash();
  if (crash == nullptr) {
    seal(link::Booted{journal::boots(), static_cast<uint8_t>(port::reset_cause())}, notice,
         link::kUnsolicited);
    return send(notice);
  }
  const journal::Request request = journal::crashed_request();
  seal(fault_message(*crash), out, request.sequence);
  kept = Kept{request.sequence != link::kUnsolicited, request.crc};
  send(out);
}

void handle(const link::Deframer& in) {
  const link::Header header = in.header();
  if (kept.valid && in.crc() == kept.request_crc) return send(out);
  sequence = header.sequence;
  kept.valid = false;
  if (header.version != link::kProtocolVersion) {
    reply_error(ErrorCode::kBadVersion, link::kProtocolVersion, "another protocol version");
  } else {
    journal::request_begins({sequence, in.crc()});
    handle_request(header, in.payload());
    // Nothing that was computed over an overflowing stack is told.
    if (!stack::intact()) {
      journal::record({link::FaultKind::kStackOverflow, 0, 0, 0, 0, 0, 0});
      port::reset();
    }
    journal::request_ends();
  }
  kept = Kept{true, in.crc()};
  send(out);
}

void refuse_corrupt() {
  ++corrupt_frames;
  const link::Error error{static_cast<uint16_t>(ErrorCode::kCorruptFrame), corrupt_frames};
  seal(error, notice, link::kUnsolicited);
  send(notice);
}

}  // namespace munas::dispatch
