#if defined(MUNAS_ENGINE_TFLM)

#include "tflm_check.h"

namespace munas::engine {
namespace {

using link::ErrorCode;

Outcome bad(uint32_t detail, const char* text) {
  return failure(ErrorCode::kBadModel, detail, text);
}

template <class Vector>
uint32_t count(const Vector* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// Every index of `indices` names one of `limit` things; -1, where allowed, names none.
bool within(const flatbuffers::Vector<int32_t>* indices, uint32_t limit, int32_t least) {
  for (uint32_t i = 0; i < count(indices); ++i) {
    const int32_t index = indices->Get(i);
    if (index < least || (index >= 0 && static_cast<uint32_t>(index) >= limit)) return false;
  }
  return true;
}

// Bytes of an element; 0 for types that no operator here takes.
uint32_t element_bytes(tflite::TensorType type) {
  switch (type) {
    case tflite::TensorType_INT8:
    case tflite::TensorType_UINT8:
    case tflite::TensorType_BOOL: return 1;
    case tflite::TensorType_INT16: return 2;
    case tflite::TensorType_FLOAT32:
    case tflite::TensorType_INT32: return 4;
    case tflite::TensorType_INT64: return 8;
    default: return 0;
  }
}

// Sizes are computed in 32 bits and constants are read as long as their shapes say.
Outcome check_size(const tflite::Tensor& tensor, const tflite::Buffer& buffer, uint32_t index) {
  uint64_t bytes = element_bytes(tensor.type());
  if (bytes == 0) return bad(tensor.type(), "tensor of a type that no operator takes");
  for (uint32_t d = 0; d < count(tensor.shape()); ++d) {
    if (tensor.shape()->Get(d) < 0) return bad(index, "tensor with a negative dimension");
    bytes *= static_cast<uint32_t>(tensor.shape()->Get(d));
    if (bytes > INT32_MAX) return bad(index, "tensor larger than any memory");
  }
  if (count(buffer.data()) != 0 && count(buffer.data()) != bytes)
    return bad(index, "constant of another size than its shape's");
  return success();
}

// Kernels take one scale, or one for each slice along the dimension that the model names.
Outcome check_scales(const tflite::Tensor& tensor, uint32_t index) {
  const tflite::QuantizationParameters* given = tensor.quantization();
  const uint32_t scales = given == nullptr ? 0 : count(given->scale());
  if (scales <= 1) return success();
  const int32_t along = given->quantized_dimension();
  if (along < 0 || static_cast<uint32_t>(along) >= count(tensor.shape()) ||
      static_cast<uint32_t>(tensor.shape()->Get(along)) != scales)
    return bad(index, "tensor with scales that do not fit its shape");
  return success();
}

Outcome check_tensors(const tflite::Model& model, const tflite::SubGraph& graph) {
  for (uint32_t i = 0; i < count(graph.tensors()); ++i) {
    const tflite::Tensor* tensor = graph.tensors()->Get(i);
    const tflite::Buffer* buffer = tensor->buffer() < count(model.buffers())
                                       ? model.buffers()->Get(tensor->buffer())
                                       : nullptr;
    if (buffer == nullptr) return bad(i, "tensor without a buffer");
    Outcome outcome = check_size(*tensor, *buffer, i);
    if (outcome.ok) outcome = check_scales(*tensor, i);
    if (!outcome.ok) return outcome;
  }
  return success();
}

Outcome check_operators(const tflite::Model& model, const tflite::SubGraph& graph,
                        const tflite::MicroOpResolver& resolver) {
  const uint32_t tensors = count(graph.tensors());
  if (count(graph.operators()) == 0 || count(graph.operators()) > UINT16_MAX)
    return bad(count(graph.operators()), "number of operators");
  for (uint32_t i = 0; i < graph.operators()->size(); ++i) {
    const tflite::Operator* op = graph.operators()->Get(i);
    if (op->opcode_index() >= count(model.operator_codes())) return bad(i, "operator without code");
    if (!within(op->inputs(), tensors, -1) || !within(op->outputs(), tensors, 0) ||
        count(op->inputs()) == 0 || count(op->outputs()) == 0 ||
        !within(op->intermediates(), tensors, -1))
      return bad(i, "operator without its tensors");
    const tflite::OperatorCode* code = model.operator_codes()->Get(op->opcode_index());
    const auto old = static_cast<int>(code->deprecated_builtin_code());
    const auto kind = old > static_cast<int>(code->builtin_code())
                          ? static_cast<tflite::BuiltinOperator>(old)
                          : code->builtin_code();
    if (resolver.FindOp(kind) == nullptr)
      return failure(ErrorCode::kUnsupportedOperator, static_cast<uint32_t>(kind),
                     tflite::EnumNameBuiltinOperator(kind));
  }
  return success();
}

Outcome check_end(const tflite::Model& model, const flatbuffers::Vector<int32_t>* ends,
                  const char* text) {
  const tflite::SubGraph& graph = *model.subgraphs()->Get(0);
  if (count(ends) != 1 || !within(ends, count(graph.tensors()), 0)) return bad(count(ends), text);
  const tflite::Tensor* tensor = graph.tensors()->Get(ends->Get(0));
  if (tensor->type() != tflite::TensorType_INT8) return bad(tensor->type(), text);
  const uint32_t rank = count(tensor->shape());
  if (rank == 0 || rank > 4) return bad(rank, text);
  // It would be written to where the model stands.
  if (count(model.buffers()->Get(tensor->buffer())->data()) != 0) return bad(0, text);
  return success();
}

}  // namespace

Outcome check_tflite(const uint8_t* data, uint32_t bytes, const tflite::MicroOpResolver& resolver,
                     const tflite::Model** out) {
  flatbuffers::Verifier verifier(data, bytes);
  if (bytes < 8 || !tflite::VerifyModelBuffer(verifier)) return bad(bytes, "not a .tflite file");
  const tflite::Model* model = tflite::GetModel(data);
  if (model->version() != 3) return bad(model->version(), "schema version");
  if (count(model->subgraphs()) != 1) return bad(count(model->subgraphs()), "number of subgraphs");
  const tflite::SubGraph& graph = *model->subgraphs()->Get(0);
  Outcome outcome = check_tensors(*model, graph);
  if (outcome.ok) outcome = check_end(*model, graph.inputs(), "needs one int8 input of rank 1..4");
  if (outcome.ok) outcome = check_end(*model, graph.outputs(), "needs one int8 output of rank 1..4");
  if (outcome.ok) outcome = check_operators(*model, graph, resolver);
  if (outcome.ok) *out = model;
  return outcome;
}

}  // namespace munas::engine

#endif
