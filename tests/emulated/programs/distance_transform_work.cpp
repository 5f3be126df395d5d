// How much work the row pass of the distance transforms does: reads an image of the given height and width, bytes, from
// the standard input and prints how many costs of a column for a pixel each metric evaluates.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/distance_transform_output.cuh"
#include "cuda/distance_transform_rows.cuh"

namespace {

using namespace pyapdraw;

long long costs = 0;

template <class Metric>
struct Counted : Metric {
  explicit Counted(const Metric& metric) : Metric(metric) {}
  typename Metric::Value cost(typename Metric::Value value, int x, uint32_t colour) const {
    ++costs;
    return Metric::cost(value, x, colour);
  }
};

template <class Metric, class Output>
void count(const char* name, const Tensor& sites, const Metric& metric, const Output& output) {
  costs = 0;
  cuda::rows::transform(name, sites, Counted<Metric>(metric), output, {});
  std::printf("%s %lld\n", name, costs);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int64_t height = std::atoll(argv[1]), width = std::atoll(argv[2]);
  std::vector<uint8_t> sites(static_cast<size_t>(height * width));
  std::vector<float> a(sites.size()), b(sites.size());
  if (std::fread(sites.data(), 1, sites.size(), stdin) != sites.size()) return 2;
  const Tensor in = view(sites.data(), height, width);
  const cuda::output::Map map(view(a.data(), height, width)), other(view(b.data(), height, width));
  namespace metrics = cuda::metrics;
  count("squares", in, metrics::Squares<uint32_t>{false}, map);
  count("pair", in, metrics::Pair<uint32_t>{false}, cuda::output::Maps{map, other});
  count("spaced", in, metrics::Spaced{false, 0.3, 1.7}, map);
  count("chamfer", in, metrics::Chamfer<uint32_t>{}, map);
  return 0;
}
