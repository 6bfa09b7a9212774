// Stands in for cuSPARSE's header where cuda_link_check has none: LibTorch's headers name these types,
// this project's CUDA code does not use them.
#pragma once
using cusparseHandle_t = struct cusparseContext*;
enum cusparseStatus_t { CUSPARSE_STATUS_SUCCESS = 0 };
extern "C" const char* cusparseGetErrorString(cusparseStatus_t status);
