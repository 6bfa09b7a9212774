#pragma once

#include "echopath/evaluation/detector.hpp"

namespace echopath::evaluation {

/// One factory per kind of detector, each in a file of its own.
std::unique_ptr<Detector> make_classifier_detector(const std::vector<std::string>& classifiers,
                                                   const DetectorOptions& options);
std::unique_ptr<Detector> make_inception_detector(const DetectorOptions& options);
std::unique_ptr<Detector> make_torchscript_detector(const DetectorOptions& options);

}  // namespace echopath::evaluation
