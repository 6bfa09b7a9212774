#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/evaluation/anatomy_report.hpp"

namespace echopath::cli {
namespace {

void print_order(const evaluation::FigureComparison& figure) {
  for (const auto& pair : figure.order) {
    std::cout << "order  " << figure.name << ": " << pair.lower << " < " << pair.higher
              << (pair.kept ? ", kept" : ", NOT kept") << '\n';
  }
}

void print(const evaluation::AnatomyReport& report) {
  std::cout << evaluation::table_of(report.figures);
  for (const auto& figure : report.figures) print_order(figure);
  if (!report.validation) return;
  std::cout << "\nOn the exact label maps of " << report.validation->videos
            << " of the real videos (\"real\") and on the network's (\"synthetic\"):\n"
            << evaluation::table_of(report.validation->figures);
  for (std::size_t i = 0; i < report.validation->figures.size(); ++i) {
    std::cout << "correlation  " << report.validation->figures[i].name << ": "
              << report.validation->correlations[i] << '\n';
  }
  const auto& dice = report.validation->dice;
  std::cout << "Dice  LV " << dice[0] << ", RV " << dice[1] << ", LA " << dice[2] << ", RA "
            << dice[3] << '\n';
}

}  // namespace

void add_eval_anatomy(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::AnatomyOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "anatomy",
      "septal gap, RV/LV area ratio and LV eccentricity of real and synthetic videos, by class",
      [options](const CommonOptions& common) {
        options->model = model_or_default(options->model).string();
        options->device = common.device;
        const evaluation::AnatomyReport report = evaluation::report_anatomy(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          print(report);
        }
      },
      "echopath eval anatomy --real data --real-split TEST --synthetic samples");
  add_compared_sets(verb, options->real, options->synthetic);
  verb.add_option("--model", options->model,
                  "model directory with the segmentation network (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--component", options->component, "its folder in the model directory")
      ->capture_default_str()
      ->type_name("NAME");
  add_selection(verb, options->split, options->classes, options->limit);
  verb.add_option("--every", options->every, "looks at every n-th frame")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
