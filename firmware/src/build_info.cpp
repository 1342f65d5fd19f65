#include "build_info.h"

// The builder either defines these macros for this file or writes the header; only this file
// changes with them, so that nothing else is compiled again.
#if __has_include("munas_build_info.h")
#include "munas_build_info.h"
#endif
#ifndef MUNAS_SOURCE_DIGEST
#define MUNAS_SOURCE_DIGEST "0000000000000000000000000000000000000000000000000000000000000000"
#endif
#ifndef MUNAS_FLAGS
#define MUNAS_FLAGS "unknown"
#endif
#ifndef MUNAS_BOARD
#define MUNAS_BOARD "unknown"
#endif

namespace {

// A section of its own with a fixed length: size and hash comparisons leave it out.
#if defined(__ELF__)
__attribute__((section(".munas_digest"), used))
#endif
const char digest[65] = MUNAS_SOURCE_DIGEST;
static_assert(sizeof(MUNAS_SOURCE_DIGEST) == sizeof(digest), "a SHA-256 in hexadecimal digits");

}  // namespace

namespace munas::build_info {

const char* source_digest() { return digest; }
const char* compiler() {
#if defined(__clang__)
  return "clang " __VERSION__;
#else
  return "gcc " __VERSION__;
#endif
}
const char* flags() { return MUNAS_FLAGS; }
const char* board() { return MUNAS_BOARD; }

}  // namespace munas::build_info
