#pragma once

#include <string>

#include "plan/merge.hpp"

/// Short ways to write down what ranks bring into a merge.
namespace holdfast::plan::test {

[[nodiscard]] inline RankItem tensor(int rank, std::string name, Shape global, Box box, DType dtype = DType::f32) {
  return {rank, 0, {std::move(name), Kind::tensor, dtype, std::move(global), std::move(box)}};
}

[[nodiscard]] inline RankItem value(int rank, std::string name, Shape shape, std::uint64_t content, Kind kind = Kind::value) {
  return {rank, 0, {std::move(name), kind, DType::u8, shape, whole(shape), content}};
}

[[nodiscard]] inline RankItem per_rank(int rank, std::string name, Shape shape, Kind kind = Kind::per_rank) {
  return {rank, 0, {std::move(name), kind, DType::u8, {}, whole(shape)}};
}

[[nodiscard]] inline RankItem group(int rank, std::string name) {
  return {rank, 0, {std::move(name), Kind::group, {}, {}, {}}};
}

}  // namespace holdfast::plan::test
