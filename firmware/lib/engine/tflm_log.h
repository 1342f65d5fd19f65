// The last thing TensorFlow Lite Micro had to say: the text of an error reply.
#pragma once

namespace munas::engine::tflm_log {

void clear();
const char* last();  // never nullptr

}  // namespace munas::engine::tflm_log
