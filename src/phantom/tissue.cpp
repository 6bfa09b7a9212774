#include "tissue.hpp"

#include <algorithm>
#include <cmath>

#include "raster.hpp"

namespace echopath::phantom {
namespace {

/// Echo densities, grains per mm².
constexpr float kTissueDensity = 2.6F;
constexpr float kBloodDensity = 0.9F;

enum Region : std::uint8_t {
  kOutside = 0,
  kMyocardium,
  kRightWall,
  kAtrialWall,
  kBlood,
};

float amplitude_from_db(float db) {
  return std::pow(10.0F, 0.05F * db);
}

Curve orifice(Point a, Point b, float up, float down) {
  return {{a.x, a.y - up}, {b.x, b.y - up}, {b.x, b.y + down}, {a.x, a.y + down}};
}

/// Regions of the plane at rest.
Raster region_map(const PatientParameters& patient, const Anatomy& anatomy) {
  Raster map;
  map.left = -150.0F;
  map.top = 0.0F;
  map.spacing = 0.6F;
  map.width = 500;
  map.height = static_cast<int>(patient.acoustics.depth / map.spacing) + 4;
  map.cells.assign(static_cast<std::size_t>(map.width * map.height), kOutside);
  const Outlines& o = anatomy.rest;
  fill_polygon(map, o.la_wall, kAtrialWall);
  fill_polygon(map, o.ra_wall, kAtrialWall);
  // The fibrous crux fills the wedge between the atria and the ventricles.
  fill_polygon(map,
               {o.annulus[0], o.annulus[2], anatomy.atrial_septum[0], anatomy.atrial_septum[4]},
               kAtrialWall);
  fill_polygon(map, o.rv_epicardium, kRightWall);
  fill_polygon(map, o.lv_epicardium, kMyocardium);
  for (const Curve* chamber : {&o.lv, &o.rv, &o.la, &o.ra}) fill_polygon(map, *chamber, kBlood);
  fill_polygon(map, orifice(o.annulus[0], o.annulus[1], 2.0F, 7.0F), kBlood);
  fill_polygon(map, orifice(o.annulus[2], o.annulus[3], 2.0F, 8.0F), kBlood);
  for (const Point& p : o.septal_gap) {
    fill_polygon(map,
                 {{p.x - 7, p.y - 0.8F},
                  {p.x + 7, p.y - 0.8F},
                  {p.x + 7, p.y + 0.8F},
                  {p.x - 7, p.y + 0.8F}},
                 kBlood);
  }
  return map;
}

}  // namespace

Scatterers::Scatterers(const PatientParameters& patient, const Anatomy& anatomy)
    : anatomy_(anatomy), rng_(Rng::derive(patient.seed, 31)) {
  const Raster map = region_map(patient, anatomy);
  add_volume(patient, anatomy, map);
  add_interfaces(patient, anatomy, map);
  add_near_field(patient);
  add_haze(patient);
}

void Scatterers::add(Point material, float amplitude, Kind kind) {
  x_.push_back(material.x);
  y_.push_back(material.y);
  amplitude_.push_back(amplitude);
  elevation_.push_back(static_cast<float>(rng_.uniform(-1.0, 1.0)));
  const auto field = anatomy_.motion.sample(material);
  for (int k = 0; k < 2 * kModeCount; ++k) {
    field_[k].push_back(kind == Kind::kStill ? 0.0F : field[k]);
  }
  // How much of the heart's motion is felt here decides how much slips through the plane.
  const float felt = std::min(
      1.0F, 0.25F + 0.14F * std::hypot(field[2 * kLvRadial] + field[2 * kRvRadial],
                                       field[2 * kLongitudinal + 1] + field[2 * kTricuspid + 1]));
  heart_share_.push_back(kind == Kind::kStill ? 0.0F
                                              : (kind == Kind::kTissue ? 1.1F * felt : 1.0F));
  blood_share_.push_back(kind == Kind::kBlood ? 1.0F : 0.0F);
  breathing_.push_back(kind == Kind::kStill ? 0.0F : 1.0F);
}

void Scatterers::add_volume(const PatientParameters& patient, const Anatomy& anatomy,
                            const Raster& map) {
  const auto& a = patient.acoustics;
  const SmoothNoise coarse(Rng::derive(patient.seed, 32), 15.0F);
  const SmoothNoise fine(Rng::derive(patient.seed, 33), 6.0F);
  const SmoothNoise dropout(Rng::derive(patient.seed, 36), 17.0F);
  const SmoothNoise lung(Rng::derive(patient.seed, 34), 24.0F);
  const float angle = static_cast<float>(a.half_angle) + 0.04F;
  const float depth = static_cast<float>(a.depth);
  const int tries = static_cast<int>(kTissueDensity * angle * depth * depth);
  const Point apex{static_cast<float>(a.offset_x), static_cast<float>(a.apex_depth)};
  for (int i = 0; i < tries; ++i) {
    const float range = depth * std::sqrt(static_cast<float>(rng_.uniform()));
    const float beam = angle * static_cast<float>(rng_.uniform(-1.0, 1.0));
    const float keep = static_cast<float>(rng_.uniform());
    const float strength = static_cast<float>(rng_.normal(0.0, 1.0));
    const Point p{range * std::sin(beam), range * std::cos(beam)};
    const auto region = map.at(p);
    const float patch = static_cast<float>(a.patchiness_db) *
                        (0.75F * coarse.at(p.x, p.y) + 0.65F * fine.at(p.x, p.y));
    if (region == kBlood) {
      if (keep > kBloodDensity / kTissueDensity) continue;
      add(p,
          strength *
              amplitude_from_db(static_cast<float>(a.blood_db) + 0.4F * patch +
                                9.0F * std::clamp((p.y / depth - 0.5F) / 0.25F, 0.0F, 1.0F)) *
              std::sqrt(kTissueDensity / kBloodDensity),
          Kind::kBlood);
      continue;
    }
    float db = patch;
    Kind kind = Kind::kTissue;
    if (region == kMyocardium || region == kRightWall) {
      // Fibres along the wall send little back to a beam that runs along them.
      const auto f = anatomy.motion.sample(p);
      const float nx = f[2 * kLvRadial] + 0.6F * f[2 * kRvRadial];
      const float ny = f[2 * kLvRadial + 1] + 0.6F * f[2 * kRvRadial + 1];
      const float length = std::hypot(nx, ny) + 0.3F;
      const float across = std::abs(nx * std::sin(beam) + ny * std::cos(beam)) / length;
      const float along = (1.0F - across) * (1.0F - across);
      db += 1.6F - 9.0F * static_cast<float>(a.anisotropy) * along *
                       std::max(0.0F, 0.55F + 1.1F * dropout.at(p.x, p.y));
      if (region == kRightWall) db -= 1.0F;
    } else if (region == kAtrialWall) {
      db += 2.0F;
    } else {
      const float behind = (p.y - anatomy.atrial_bottom - 1.0F) / 8.0F;
      const float aside = (p.x - apex.x) / std::max(20.0F, p.y);
      db += -16.0F + 9.0F * lung.at(p.x, p.y) - 12.0F * std::max(0.0F, aside - 0.1F);
      if (behind > -0.6F) {
        db += (static_cast<float>(a.bottom_band_db) + 5.0F) * std::clamp(behind + 0.6F, 0.0F, 1.0F);
      }
      if (p.y < apex.y) db += 2.0F;
    }
    add(p, strength * amplitude_from_db(db) / std::sqrt(kTissueDensity), kind);
  }
}

void Scatterers::add_interface(const Curve& curve, bool closed, float level_db, float thickness,
                               float diffuse, float patch_db, const Raster* walls) {
  const SmoothNoise patches(rng_.next(), 7.0F);
  const std::size_t n = curve.size();
  for (std::size_t i = 0; i + (closed ? 0 : 1) < n; ++i) {
    const Point a = curve[i], b = curve[(i + 1) % n];
    const float dx = b.x - a.x, dy = b.y - a.y, length = std::hypot(dx, dy);
    if (length < 1e-3F) continue;
    const float mx = 0.5F * (a.x + b.x), my = 0.5F * (a.y + b.y),
                range = std::hypot(mx, my) + 1e-3F;
    // A mirror-like surface answers where the beam meets it square.
    const float square = std::abs((dy * mx - dx * my) / (length * range));
    const float answer = diffuse + (1.0F - diffuse) * square * square * square;
    const int grains =
        std::max(1, static_cast<int>(length * 3.0F + static_cast<float>(rng_.uniform())));
    for (int g = 0; g < grains; ++g) {
      const float f = static_cast<float>(rng_.uniform());
      const float off = thickness * static_cast<float>(rng_.normal(0.0, 1.0));
      const Point p{a.x + f * dx - off * dy / length, a.y + f * dy + off * dx / length};
      // An atrium's outer wall ends where the neighbour's cavity or a defect begins.
      if (walls != nullptr && walls->at(p) == kBlood) continue;
      const float db = level_db + patch_db * patches.at(p.x, p.y);
      add(p, answer * amplitude_from_db(db) * static_cast<float>(rng_.normal(0.0, 1.0)) / 1.7F,
          Kind::kTissue);
    }
  }
}

void Scatterers::add_interfaces(const PatientParameters& patient, const Anatomy& anatomy,
                                const Raster& map) {
  const Outlines& o = anatomy.rest;
  const float patch = 0.6F * static_cast<float>(patient.acoustics.patchiness_db);
  add_interface(o.lv, false, 6.0F, 0.5F, 0.12F, patch);
  add_interface(o.rv, false, 4.0F, 0.5F, 0.10F, patch);
  add_interface(o.lv_epicardium, false, 10.0F, 0.6F, 0.22F, patch);  // pericardium
  add_interface(o.rv_epicardium, false, 5.0F, 0.6F, 0.12F, patch);
  add_interface(o.la_wall, true, 3.0F, 0.8F, 0.12F, patch, &map);
  add_interface(o.ra_wall, true, 3.0F, 0.8F, 0.12F, patch, &map);
  // The fibrous annuli and the crux: small and bright.
  for (int i = 0; i < 4; ++i) {
    const Point p = o.annulus[static_cast<std::size_t>(i)];
    for (int g = 0; g < 60; ++g) {
      const Point q{p.x + static_cast<float>(rng_.normal(0.0, 1.8)),
                    p.y + 1.0F + static_cast<float>(rng_.normal(0.0, 1.6))};
      add(q, amplitude_from_db(3.0F) * static_cast<float>(rng_.normal(0.0, 1.0)) / 1.6F,
          Kind::kTissue);
    }
  }
}

void Scatterers::add_near_field(const PatientParameters& patient) {
  const auto& a = patient.acoustics;
  const float angle = static_cast<float>(a.half_angle) + 0.02F;
  const SmoothNoise haze(Rng::derive(patient.seed, 35), 12.0F);
  // Chest wall: still, layered, over the first centimetres, with echoes of the layers further down.
  const float pitch = static_cast<float>(rng_.uniform(7.0, 11.0));
  const float reach = static_cast<float>(a.apex_depth) * 1.15F;
  const int tries = static_cast<int>(kTissueDensity * angle * 70.0F * 70.0F);
  for (int i = 0; i < tries; ++i) {
    const float range = 70.0F * std::sqrt(static_cast<float>(rng_.uniform()));
    const float beam = angle * static_cast<float>(rng_.uniform(-1.0, 1.0));
    const float strength = static_cast<float>(rng_.normal(0.0, 1.0));
    const float ring = std::cos(2.0F * 3.14159265F * range / pitch);
    const float fade = -13.0F * std::max(0.0F, range / reach - 0.45F);
    float db = static_cast<float>(a.near_clutter_db) + fade + 5.0F * haze.at(30 * beam, range);
    if (ring > 0.6F) db += 0.6F * (static_cast<float>(a.reverberation_db) + 14.0F);
    if (db < -34.0F) continue;
    add({range * std::sin(beam), range * std::cos(beam)},
        strength * amplitude_from_db(db) / std::sqrt(kTissueDensity), Kind::kStill);
  }
}

void Scatterers::add_haze(const PatientParameters& patient) {
  // Side lobes and echoes from beside the plane: faint, still, uneven.
  constexpr float kDensity = 0.5F;
  const auto& a = patient.acoustics;
  const float angle = static_cast<float>(a.half_angle) + 0.02F;
  const float depth = static_cast<float>(a.depth);
  const SmoothNoise uneven(Rng::derive(patient.seed, 37), 22.0F);
  const int grains = static_cast<int>(kDensity * angle * depth * depth);
  for (int i = 0; i < grains; ++i) {
    const float range = depth * std::sqrt(static_cast<float>(rng_.uniform()));
    const float beam = angle * static_cast<float>(rng_.uniform(-1.0, 1.0));
    const Point p{range * std::sin(beam), range * std::cos(beam)};
    const float db = static_cast<float>(a.clutter_db) + 6.0F * uneven.at(p.x, p.y);
    add(p, static_cast<float>(rng_.normal(0.0, 1.0)) * amplitude_from_db(db) / std::sqrt(kDensity),
        Kind::kStill);
  }
}

void Scatterers::move(const CycleState& state, float* x, float* y, float* weight) const {
  const int n = count();
  const float bx = static_cast<float>(state.breathing_x),
              by = static_cast<float>(state.breathing_y);
  const float slip = static_cast<float>(state.elevation), flow = static_cast<float>(state.blood);
  const float* s = state.amplitude.data();
  const float* f[2 * kModeCount];
  for (int k = 0; k < 2 * kModeCount; ++k) f[k] = field_[k].data();
  for (int i = 0; i < n; ++i) {
    x[i] = x_[i] + breathing_[i] * bx + s[0] * f[0][i] + s[1] * f[2][i] + s[2] * f[4][i] +
           s[3] * f[6][i] + s[4] * f[8][i] + s[5] * f[10][i];
    y[i] = y_[i] + breathing_[i] * by + s[0] * f[1][i] + s[1] * f[3][i] + s[2] * f[5][i] +
           s[3] * f[7][i] + s[4] * f[9][i] + s[5] * f[11][i];
    // Position in the thickness of the plane, wrapped to −1 … 1; the slice is bell-shaped.
    float z = elevation_[i] + heart_share_[i] * slip + blood_share_[i] * flow;
    z = 0.5F * z + 512.5F;
    z = 2.0F * (z - static_cast<float>(static_cast<int>(z))) - 1.0F;
    const float bell = 1.0F - z * z;
    weight[i] = amplitude_[i] * bell * bell * 1.5F;
  }
}

Leaflets::Leaflets(const PatientParameters& patient, const Anatomy& anatomy) : anatomy_(anatomy) {
  Rng rng(Rng::derive(patient.seed, 41));
  const auto& ring = anatomy.rest.annulus;
  for (int valve = 0; valve < 2; ++valve) {
    const Point a = ring[static_cast<std::size_t>(2 * valve)];
    const Point b = ring[static_cast<std::size_t>(2 * valve + 1)];
    const float width = std::hypot(b.x - a.x, b.y - a.y);
    // The anterior mitral leaflet is the longer one.
    length_[static_cast<std::size_t>(2 * valve)] = (valve == 0 ? 0.60F : 0.52F) * width;
    length_[static_cast<std::size_t>(2 * valve + 1)] = (valve == 0 ? 0.44F : 0.52F) * width;
  }
  const float level = amplitude_from_db(2.0F);
  for (int leaflet = 0; leaflet < 4; ++leaflet) {
    const int grains = static_cast<int>(10.0F * length_[static_cast<std::size_t>(leaflet)]);
    for (int g = 0; g < grains; ++g) {
      Grain grain;
      grain.leaflet = leaflet;
      grain.along = static_cast<float>(rng.uniform());
      grain.across = 0.35F * static_cast<float>(rng.normal(0.0, 1.0));
      const float tip = 0.75F + 0.5F * std::max(0.0F, grain.along - 0.6F);
      grain.amplitude = level * tip * static_cast<float>(rng.normal(0.0, 1.0)) / 3.2F;
      grains_.push_back(grain);
    }
  }
}

void Leaflets::move(const CycleState& state, float* x, float* y, float* weight) const {
  struct Frame {
    Point hinge;
    float ux, uy, vx, vy;  // along the ring towards its middle; towards the apex
    float closed, open, opening;
  };
  Frame frames[4];
  for (int valve = 0; valve < 2; ++valve) {
    const auto& ring = anatomy_.rest.annulus;
    const Point a = anatomy_.motion.move(ring[static_cast<std::size_t>(2 * valve)], state);
    const Point b = anatomy_.motion.move(ring[static_cast<std::size_t>(2 * valve + 1)], state);
    const float length = std::hypot(b.x - a.x, b.y - a.y) + 1e-3F;
    const float ux = (b.x - a.x) / length, uy = (b.y - a.y) / length;
    const auto opening =
        static_cast<float>(valve == 0 ? state.mitral_opening : state.tricuspid_opening);
    const float up = ux > 0 ? 1.0F : -1.0F;
    frames[2 * valve] = {a, ux, uy, up * uy, -up * ux, 0.16F, 1.40F, opening};
    frames[2 * valve + 1] = {b, -ux, -uy, up * uy, -up * ux, 0.18F, 1.50F, opening};
  }
  for (std::size_t i = 0; i < grains_.size(); ++i) {
    const Grain& grain = grains_[i];
    const Frame& f = frames[grain.leaflet];
    // The leaflet turns about its hinge and curls towards the middle at the tip.
    const float turn = f.closed + (f.open - f.closed) * f.opening;
    const float reach = grain.along * length_[static_cast<std::size_t>(grain.leaflet)];
    const float angle = turn - 0.35F * grain.along * (0.4F + 0.6F * f.opening);
    const float c = std::cos(angle), s = std::sin(angle);
    const float along = reach * c - grain.across * s, up = reach * s + grain.across * c;
    x[i] = f.hinge.x + along * f.ux + up * f.vx;
    y[i] = f.hinge.y + along * f.uy + up * f.vy;
    weight[i] = grain.amplitude;
  }
}

}  // namespace echopath::phantom
