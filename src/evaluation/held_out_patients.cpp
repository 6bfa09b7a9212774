#include "evaluation/held_out_patients.hpp"

#include <set>
#include <string>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {

void require_patients_held_out(const LatentReader& real) {
  std::set<std::string> trained;
  for (const data::Study& study : real.studies()) {
    if (study.split == "TRAIN") trained.insert(study.patient_id);
  }
  for (const data::Study& study : real.studies()) {
    if (study.split == "TRAIN" || !trained.contains(study.patient_id)) continue;
    throw DataError("'" + real.directory().string() + "': patient '" + study.patient_id +
                    "' is in TRAIN and in " + study.split +
                    "; held-out patients must not be trained on: split by patient, for example "
                    "with `echopath import --split`");
  }
}

}  // namespace echopath::evaluation
