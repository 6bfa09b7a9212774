#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"

namespace echopath::evaluation {

/// What `echopath eval agreement` looks at.
struct AgreementOptions {
  std::string real;                      ///< see VideoSet
  std::string synthetic;                 ///< may be empty: real videos alone
  std::string model;                     ///< model directory with classifiers
  std::vector<std::string> classifiers;  ///< their folders; empty: all that tell classes apart
  std::string split;                     ///< of the real videos; empty: all
  std::vector<std::string> classes;      ///< empty: all of both sets
  std::int64_t limit = 0;                ///< videos of each class and set at most; 0: all
  std::string device = "auto";
};

/// What a classifier says of the videos of one class, also of one that it does not know.
struct CalledRow {
  std::string class_name;
  std::int64_t videos = 0;
  std::vector<std::int64_t> called;  ///< videos called each of the classifier's classes
};

/// What a classifier says of one set.
struct SetAgreement {
  std::int64_t videos = 0;  ///< of its classes
  Interval agreement;       ///< share of these that it calls what they are, over patients
  std::vector<CalledRow> rows;
};

struct ClassifierAgreement {
  std::string name;
  std::string hash;  ///< SHA-256 of its weights
  std::vector<std::string> classes;
  SetAgreement real, synthetic;
};

struct AgreementReport {
  std::vector<ClassifierAgreement> classifiers;

  config::Json to_json() const;
  std::string to_text() const;
};

/// Asks every classifier which of its classes each video shows: the one with the highest mean
/// probability over as many clips as the video holds, side by side. Of videos of classes that a
/// classifier was not trained on (PAH for one of ASD and Non-ASD) it is told what they are taken
/// for. Throws DataError where the directory has no classifier or frames do not fit, Interrupted.
AgreementReport report_agreement(const AgreementOptions& options);

}  // namespace echopath::evaluation
