// Stands in for cuBLAS's header where cuda_link_check has none: LibTorch's headers name these types,
// this project's CUDA code does not use them.
#pragma once
using cublasHandle_t = struct cublasContext*;
enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0 };
