#include "raster.hpp"

#include <algorithm>
#include <cmath>

#include "rng.hpp"

namespace echopath::phantom {

std::uint8_t Raster::at(Point p) const {
  const int column = static_cast<int>(std::floor((p.x - left) / spacing));
  const int row = static_cast<int>(std::floor((p.y - top) / spacing));
  if (column < 0 || row < 0 || column >= width || row >= height) return 0;
  return cells[static_cast<std::size_t>(row * width + column)];
}

void fill_polygon(Raster& raster, const Curve& polygon, std::uint8_t value) {
  constexpr int kMaxCrossings = 16;
  float crossings[kMaxCrossings];
  const std::size_t n = polygon.size();
  for (int row = 0; row < raster.height; ++row) {
    const float y = raster.top + raster.spacing * (static_cast<float>(row) + 0.5F);
    int count = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const Point& a = polygon[i];
      const Point& b = polygon[i + 1 == n ? 0 : i + 1];
      if ((a.y <= y) == (b.y <= y) || count == kMaxCrossings) continue;
      crossings[count++] = a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y);
    }
    std::sort(crossings, crossings + count);
    for (int pair = 0; pair + 1 < count; pair += 2) {
      const float first = (crossings[pair] - raster.left) / raster.spacing - 0.5F;
      const float last = (crossings[pair + 1] - raster.left) / raster.spacing - 0.5F;
      const int from = std::max(0, static_cast<int>(std::ceil(first)));
      const int to = std::min(raster.width - 1, static_cast<int>(std::floor(last)));
      for (int column = from; column <= to; ++column) {
        raster.cells[static_cast<std::size_t>(row * raster.width + column)] = value;
      }
    }
  }
}

float SmoothNoise::at(float x, float y) const {
  const float fx = x / length_, fy = y / length_;
  const int column = static_cast<int>(std::floor(fx)), row = static_cast<int>(std::floor(fy));
  const float u = fx - static_cast<float>(column), v = fy - static_cast<float>(row);
  auto value = [this](int i, int j) {
    const std::uint64_t cell = (static_cast<std::uint64_t>(static_cast<std::uint32_t>(i)) << 32) |
                               static_cast<std::uint32_t>(j);
    const std::uint64_t bits = Rng::derive(seed_, 77, cell);
    // Sum of four uniform bytes: near enough to a normal.
    float sum = 0.0F;
    for (int k = 0; k < 4; ++k) {
      sum += static_cast<float>((bits >> (16 * k)) & 0xFFFF) / 65536.0F - 0.5F;
    }
    return sum * 1.732F;
  };
  const float su = u * u * (3 - 2 * u), sv = v * v * (3 - 2 * v);
  const float top = (1 - su) * value(column, row) + su * value(column + 1, row);
  const float bottom = (1 - su) * value(column, row + 1) + su * value(column + 1, row + 1);
  return 1.35F * ((1 - sv) * top + sv * bottom);
}

}  // namespace echopath::phantom
