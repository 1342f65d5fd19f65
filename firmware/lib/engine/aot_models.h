// The table of ahead-of-time compiled models in an image.
//
// The generated C file of a batch defines `munas_aot_models` and `munas_aot_model_count`; the aot
// engine reads them. C11 and C++17 both take this header. Nothing here knows the code generator.
#ifndef MUNAS_AOT_MODELS_H
#define MUNAS_AOT_MODELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint32_t bytes;
  uint8_t rank;       // 1..4; the dimensions beyond are 0
  uint16_t dims[4];
  float scale;
  int32_t zero_point;
} munas_aot_tensor;

typedef struct {
  const char* name;
  const char* sha256;             // of the .tflite file, 64 hexadecimal digits
  const char* engine_revision;    // code generator and version, e.g. "bakenn 1.0.0"
  uint32_t arena_bytes;           // what `infer` needs of the arena; 0: it gets NULL
  uint32_t arena_alignment;       // at most 16
  munas_aot_tensor input;
  munas_aot_tensor output;
  uint16_t operator_count;
  const char* const* operators;   // names in execution order

  // One inference. Returns 0, or the code generator's error. Arena, input and output never overlap.
  int (*infer)(void* arena, const int8_t* input, int8_t* output);

  // The same, calling munas_aot_mark(i) right after operator i has finished. NULL where the
  // generated code cannot be cut into operators: then only totals are measured.
  int (*infer_marked)(void* arena, const int8_t* input, int8_t* output);
} munas_aot_model;

extern const munas_aot_model munas_aot_models[];
extern const uint32_t munas_aot_model_count;

// Takes the time of an operator that has just finished. Provided by the aot engine.
void munas_aot_mark(uint32_t operator_index);

#ifdef __cplusplus
}
#endif

#endif
