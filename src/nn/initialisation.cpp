#include "echopath/nn/initialisation.hpp"

namespace echopath::nn {
namespace {

thread_local bool uninitialised = false;

}  // namespace

UninitialisedScope::UninitialisedScope() : outer_(uninitialised) {
  uninitialised = true;
}

UninitialisedScope::~UninitialisedScope() {
  uninitialised = outer_;
}

bool UninitialisedScope::active() {
  return uninitialised;
}

}  // namespace echopath::nn
