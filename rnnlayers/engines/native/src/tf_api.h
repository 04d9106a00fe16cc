// The functions of TensorFlow's stable C interface that the operators use, declared by hand.
//
// They are exported by libtensorflow_framework, which is in the process when the operators are
// loaded. So one binary serves every TensorFlow, and none is needed to build it.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct TF_KernelBuilder;
struct TF_OpDefinitionBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
struct TF_ShapeInferenceContext;
struct TSL_Status;
struct TF_Tensor;

enum TF_Code { TF_OK = 0, TF_INVALID_ARGUMENT = 3, TF_RESOURCE_EXHAUSTED = 8 };
enum TF_DataType { TF_FLOAT = 1 };

TSL_Status* TF_NewStatus();
void TF_DeleteStatus(TSL_Status*);
void TF_SetStatus(TSL_Status*, TF_Code, const char* message);
TF_Code TF_GetCode(const TSL_Status*);
const char* TF_Message(const TSL_Status*);

TF_Tensor* TF_NewTensor(TF_DataType, const int64_t* shape, int rank, void* data, size_t bytes,
                        void (*deallocate)(void* data, size_t bytes, void* argument),
                        void* argument);
void TF_DeleteTensor(TF_Tensor*);
int TF_NumDims(const TF_Tensor*);
int64_t TF_Dim(const TF_Tensor*, int axis);
void* TF_TensorData(const TF_Tensor*);
int64_t TF_TensorElementCount(const TF_Tensor*);

TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name);
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char* specification);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char* specification);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char* specification);
void TF_OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder*,
                                                     void (*function)(TF_ShapeInferenceContext*,
                                                                      TSL_Status*));
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TSL_Status*);
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TSL_Status*);

TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device,
                                      void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*),
                                      void (*destroy)(void*));
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder*, TSL_Status*);
void TF_OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction*, const char* name, int64_t*,
                                          TSL_Status*);
void TF_OpKernelConstruction_GetAttrBool(TF_OpKernelConstruction*, const char* name, unsigned char*,
                                         TSL_Status*);
void TF_OpKernelConstruction_GetAttrFloat(TF_OpKernelConstruction*, const char* name, float*,
                                          TSL_Status*);
void TF_OpKernelConstruction_GetAttrString(TF_OpKernelConstruction*, const char* name, char*,
                                           size_t max_length, TSL_Status*);
void TF_OpKernelConstruction_GetAttrSize(TF_OpKernelConstruction*, const char* name,
                                         int32_t* list_size, int32_t* total_size, TSL_Status*);
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction*, TSL_Status*);

void TF_GetInput(TF_OpKernelContext*, int number, TF_Tensor**, TSL_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int number, TF_DataType, const int64_t* shape,
                             int rank, size_t bytes, TSL_Status*);
void TF_SetOutput(TF_OpKernelContext*, int number, const TF_Tensor*, TSL_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TSL_Status*);

}  // extern "C"
