// Stands in for cuSOLVER's header where cuda_link_check has none: LibTorch's headers name these types,
// this project's CUDA code does not use them.
#pragma once
enum cusolverStatus_t { CUSOLVER_STATUS_SUCCESS = 0 };
