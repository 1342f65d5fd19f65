// What this image was built from, as the builder says: see build_info.cpp.
#pragma once

namespace munas::build_info {

const char* source_digest();  // 64 hexadecimal digits
const char* compiler();
const char* flags();
const char* board();

}  // namespace munas::build_info
