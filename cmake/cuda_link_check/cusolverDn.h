// Stands in for cuSOLVER's header where cuda_link_check has none: LibTorch's headers name these types,
// this project's CUDA code does not use them.
#pragma once
#include "cusolver_common.h"
using cusolverDnHandle_t = struct cusolverDnContext*;
