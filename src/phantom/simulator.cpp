#include <algorithm>
#include <cmath>

#include "acoustics.hpp"
#include "anatomy.hpp"
#include "cycle.hpp"
#include "echopath/phantom/phantom.hpp"
#include "raster.hpp"
#include "tissue.hpp"

namespace echopath::phantom {
namespace {

double distance(Point a, Point b) {
  return std::hypot(a.x - b.x, a.y - b.y);
}

/// Single-plane area-length volume in mL from an outline whose ends are the annulus.
double area_length_volume(const Curve& lv) {
  const Point middle{0.5F * (lv.front().x + lv.back().x), 0.5F * (lv.front().y + lv.back().y)};
  double length = 0.0;
  for (const Point& p : lv) length = std::max(length, distance(p, middle));
  const double area = polygon_area(lv);
  return 8.0 * area * area / (3.0 * 3.14159265358979 * length) * 1e-3;
}

/// From the middle of the atrial septum well into the atria, mm.
constexpr float kSeptumReach = 3.0F;

/// The strip of that width on one side of a defect: in it, that atrium reaches to the middle of the
/// septum. Empty without a defect.
Curve beside_gap(const Curve& gap, float reach) {
  Curve strip;
  if (gap.empty()) return strip;
  Curve line = gap;
  // Each point stands for half a step of the septum's line on either side.
  line.front().y -= 0.8F;
  line.back().y += 0.8F;
  for (const Point& p : line) strip.push_back(p);
  for (auto p = line.rbegin(); p != line.rend(); ++p) strip.push_back({p->x + reach, p->y});
  return strip;
}

}  // namespace

struct Simulator::Impl {
  explicit Impl(const PatientParameters& p)
      : patient(p),
        cycle(p.heart, p.seed),
        anatomy(p),
        geometry(p.acoustics),
        beamformer(p.acoustics, p.seed),
        scatterers(p, anatomy),
        leaflets(p, anatomy) {
    const auto n = static_cast<std::size_t>(std::max(scatterers.count(), leaflets.count()));
    x.resize(n);
    y.resize(n);
    weight.resize(n);
    measure();
  }

  Curve in_pixels(Curve curve) const {
    for (Point& p : curve) p = geometry.to_pixels(p);
    return curve;
  }

  double eccentricity(const CycleState& state) const {
    CycleState round = state;
    round.amplitude[kSeptum] = 0.0F;
    const auto& d = anatomy.mid_diameter;
    return distance(anatomy.motion.move(d[0], round), anatomy.motion.move(d[1], round)) /
           distance(anatomy.motion.move(d[0], state), anatomy.motion.move(d[1], state));
  }

  void measure() {
    const CycleState ed = cycle.at(0.0), es = cycle.at(cycle.end_systole());
    const Outlines at_ed = anatomy.at(ed), at_es = anatomy.at(es);
    const auto& h = patient.heart;
    GroundTruth& t = truth;
    t.heart_rate_bpm = h.heart_rate_bpm;
    t.end_systole_seconds = cycle.end_systole();
    t.mm_per_pixel = geometry.mm_per_pixel;
    const double per_pixel = 1.0 / (t.mm_per_pixel * t.mm_per_pixel);
    t.lv_area_ed = polygon_area(at_ed.lv) * per_pixel;
    t.lv_area_es = polygon_area(at_es.lv) * per_pixel;
    t.rv_area_ed = polygon_area(at_ed.rv) * per_pixel;
    t.rv_area_es = polygon_area(at_es.rv) * per_pixel;
    t.la_area_ed = polygon_area(at_ed.la) * per_pixel;
    t.la_area_es = polygon_area(at_es.la) * per_pixel;
    t.ra_area_ed = polygon_area(at_ed.ra) * per_pixel;
    t.ra_area_es = polygon_area(at_es.ra) * per_pixel;
    t.edv = area_length_volume(at_ed.lv);
    t.esv = area_length_volume(at_es.lv);
    t.ef = 100.0 * (t.edv - t.esv) / t.edv;
    t.septal_gap_mm = h.septal_gap;
    t.septal_gap_px = h.septal_gap / t.mm_per_pixel;
    t.eccentricity_ed = eccentricity(ed);
    t.eccentricity_es = eccentricity(es);
    t.tapse_mm = distance(at_ed.annulus[3], at_es.annulus[3]);
    t.mapse_mm = distance(at_ed.annulus[1], at_es.annulus[1]);
    t.rv_wall_mm = h.rv_wall;
  }

  void render_mask(const CycleState& state, std::uint8_t* mask) {
    const Outlines o = anatomy.at(state);
    raster.width = raster.height = kImageSize;
    raster.cells.assign(static_cast<std::size_t>(kImageSize) * kImageSize, 0);
    auto fill = [this](const Curve& curve, Label label) {
      fill_polygon(raster, in_pixels(curve), static_cast<std::uint8_t>(label));
    };
    fill(o.rv_epicardium, Label::kMyocardium);
    fill(o.lv_epicardium, Label::kMyocardium);
    fill(o.la, Label::kLeftAtrium);
    fill(o.ra, Label::kRightAtrium);
    fill(beside_gap(o.septal_gap, -kSeptumReach), Label::kRightAtrium);
    fill(beside_gap(o.septal_gap, kSeptumReach), Label::kLeftAtrium);
    fill(o.rv, Label::kRightVentricle);
    fill(o.lv, Label::kLeftVentricle);
    for (int i = 0; i < kImageSize * kImageSize; ++i) {
      mask[i] = beamformer.in_sector(i) ? raster.cells[static_cast<std::size_t>(i)] : 0;
    }
  }

  PatientParameters patient;
  Cycle cycle;
  Anatomy anatomy;
  SectorGeometry geometry;
  Beamformer beamformer;
  Scatterers scatterers;
  Leaflets leaflets;
  GroundTruth truth;
  Raster raster;
  std::vector<float> x, y, weight;
};

Simulator::Simulator(const PatientParameters& patient) : impl_(std::make_unique<Impl>(patient)) {}
Simulator::~Simulator() = default;

void Simulator::render(double time_seconds, std::uint8_t* image, std::uint8_t* mask) {
  Impl& m = *impl_;
  const CycleState state = m.cycle.at(time_seconds);
  m.beamformer.clear();
  m.scatterers.move(state, m.x.data(), m.y.data(), m.weight.data());
  m.beamformer.add(m.x.data(), m.y.data(), m.weight.data(), m.scatterers.count());
  m.leaflets.move(state, m.x.data(), m.y.data(), m.weight.data());
  m.beamformer.add(m.x.data(), m.y.data(), m.weight.data(), m.leaflets.count());
  m.beamformer.form_image(image);
  if (mask != nullptr) m.render_mask(state, mask);
}

const GroundTruth& Simulator::ground_truth() const {
  return impl_->truth;
}
const PatientParameters& Simulator::patient() const {
  return impl_->patient;
}

void Simulator::track(double x, double y, double time_seconds, double* moved_x,
                      double* moved_y) const {
  const Impl& m = *impl_;
  const CycleState start = m.cycle.at(0.0);
  const Point target = m.geometry.to_mm({static_cast<float>(x), static_cast<float>(y)});
  // The material point by fixed-point iteration: at end-diastole only the septal shift moves it.
  Point material = target;
  for (int i = 0; i < 20; ++i) {
    const Point now = m.anatomy.motion.move(material, start);
    material.x += target.x - now.x;
    material.y += target.y - now.y;
  }
  const Point moved =
      m.geometry.to_pixels(m.anatomy.motion.move(material, m.cycle.at(time_seconds)));
  *moved_x = moved.x;
  *moved_y = moved.y;
}

}  // namespace echopath::phantom
