#include "ecsdb/delta/ids.hpp"
#include "support/catch.hpp"

#include <random>
#include <vector>

namespace ids_test {

using namespace ecsdb;
using ecsdb::delta::IdForm;
namespace ids = ecsdb::delta::detail;
using Indices = std::vector<std::uint32_t>;

namespace {

ids::IdPlan plan_of(const Indices& indices) {
    ids::IdMeter meter;
    for (const std::uint32_t index : indices) {
        meter.add(index);
    }
    return meter.plan();
}

std::vector<std::byte> stored(IdForm form, const Indices& indices) {
    std::vector<std::byte> bytes(indices.size() * 2 * max_varint_size + max_varint_size);
    std::byte* const end =
        ids::store_ids(bytes.data(), form, static_cast<std::uint32_t>(indices.size()), [&](std::uint32_t i) { return indices[i]; });
    bytes.resize(static_cast<std::size_t>(end - bytes.data()));
    return bytes;
}

const char* problem_in(const std::vector<std::byte>& bytes, IdForm form, std::uint32_t count) {
    ByteReader reader{bytes};
    return ids::check_ids(reader, form, count);
}

Indices loaded(const std::vector<std::byte>& bytes, IdForm form, std::size_t count) {
    Indices indices;
    ids::for_each_id(form, static_cast<std::uint32_t>(count), bytes.data(), [&](std::uint32_t index) { indices.push_back(index); });
    return indices;
}

std::vector<std::byte> varints(std::initializer_list<std::uint64_t> values) {
    std::vector<std::byte> bytes(values.size() * max_varint_size);
    std::byte* end = bytes.data();
    for (const std::uint64_t value : values) {
        end = store_varint(end, value);
    }
    bytes.resize(static_cast<std::size_t>(end - bytes.data()));
    return bytes;
}

constexpr std::uint32_t last = 0xFFFFFFFFU;

} // namespace

TEST_CASE("indices past the last one are refused in every form", "[delta]") {
    CHECK(problem_in(varints({std::uint64_t{last} + 1}), IdForm::Range, 1) != nullptr);
    CHECK(problem_in(varints({last}), IdForm::Range, 2) != nullptr);
    CHECK(problem_in(varints({last - 1}), IdForm::Range, 3) != nullptr);
    CHECK(problem_in(varints({last, 0}), IdForm::Gaps, 2) != nullptr);
    CHECK(problem_in(varints({5, last - 5}), IdForm::Gaps, 2) != nullptr);
    CHECK(problem_in(varints({5, ~std::uint64_t{0}}), IdForm::Gaps, 2) != nullptr);
    CHECK(problem_in(varints({last - 1, 2}), IdForm::Ranges, 3) != nullptr);
    CHECK(problem_in(varints({5, 0, last - 6, 0}), IdForm::Ranges, 2) != nullptr);
    CHECK(problem_in(varints({5, 0, ~std::uint64_t{0}, 0}), IdForm::Ranges, 2) != nullptr);
    CHECK(problem_in(varints({5, zigzag_encode(-6)}), IdForm::PageOrder, 2) != nullptr);
    CHECK(problem_in(varints({5, zigzag_encode(std::int64_t{last} - 4)}), IdForm::PageOrder, 2) != nullptr);
    CHECK(problem_in(varints({5, ~std::uint64_t{0}}), IdForm::PageOrder, 2) != nullptr);
}

TEST_CASE("the last index of all is within every form", "[delta]") {
    CHECK(problem_in(varints({last - 1}), IdForm::Range, 2) == nullptr);
    CHECK(problem_in(varints({5, last - 6}), IdForm::Gaps, 2) == nullptr);
    CHECK(problem_in(varints({5, 0, last - 7, 0}), IdForm::Ranges, 2) == nullptr);
    CHECK(problem_in(varints({5, zigzag_encode(std::int64_t{last} - 5)}), IdForm::PageOrder, 2) == nullptr);
}

TEST_CASE("ranges that name more or fewer indices than counted are refused", "[delta]") {
    CHECK(problem_in(varints({5, 3}), IdForm::Ranges, 3) != nullptr);
    CHECK(problem_in(varints({5, 1}), IdForm::Ranges, 3) != nullptr);
    CHECK(problem_in(varints({5, 2}), IdForm::Ranges, 3) == nullptr);
}

TEST_CASE("a step of zero and a long form of a number are refused", "[delta]") {
    CHECK(problem_in(varints({5, 0}), IdForm::PageOrder, 2) != nullptr);
    CHECK(problem_in({std::byte{0x85}, std::byte{0x00}}, IdForm::Range, 1) != nullptr);
}

TEST_CASE("the shortest form is found, and its size is exact", "[delta]") {
    const auto form_of = [](const Indices& indices) { return plan_of(indices).form; };
    CHECK(form_of({7}) == IdForm::Range);
    CHECK(form_of({7, 8, 9}) == IdForm::Range);
    CHECK(form_of({10, 12}) == IdForm::Gaps);
    CHECK(form_of({1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13}) == IdForm::Ranges);

    std::mt19937 random{1};
    for (int round = 0; round < 300; ++round) {
        Indices indices;
        auto next = static_cast<std::uint32_t>(random() % 1000);
        const std::uint32_t step = 1U << random() % 20;
        for (unsigned i = 0; i <= random() % 50; ++i) {
            indices.push_back(next);
            next += static_cast<std::uint32_t>(random() % 4 != 0 ? 1 : 1 + random() % step);
        }
        CAPTURE(round, indices);
        const ids::IdPlan plan = plan_of(indices);
        const auto bytes = stored(plan.form, indices);
        REQUIRE(bytes.size() == plan.bytes);
        REQUIRE(problem_in(bytes, plan.form, static_cast<std::uint32_t>(indices.size())) == nullptr);
        REQUIRE(loaded(bytes, plan.form, indices.size()) == indices);
        REQUIRE(plan.bytes <= stored(IdForm::Gaps, indices).size());
        REQUIRE(plan.bytes <= stored(IdForm::Ranges, indices).size());
        for (const IdForm form : {IdForm::Gaps, IdForm::Ranges, IdForm::PageOrder}) {
            REQUIRE(loaded(stored(form, indices), form, indices.size()) == indices);
        }
        for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
            REQUIRE(problem_in({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept)}, plan.form,
                               static_cast<std::uint32_t>(indices.size())) != nullptr);
        }
    }
}

TEST_CASE("page order keeps any order", "[delta]") {
    const Indices indices{500, 3, last, 0, 77, 76};
    const auto bytes = stored(IdForm::PageOrder, indices);
    CHECK(problem_in(bytes, IdForm::PageOrder, 6) == nullptr);
    CHECK(loaded(bytes, IdForm::PageOrder, 6) == indices);
}

} // namespace ids_test
