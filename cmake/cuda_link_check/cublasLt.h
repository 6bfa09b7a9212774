// Stands in for cuBLASLt's header where cuda_link_check has none: LibTorch's headers name these types,
// this project's CUDA code does not use them.
#pragma once
using cublasLtHandle_t = struct cublasLtContext*;
