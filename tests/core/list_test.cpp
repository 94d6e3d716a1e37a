#include "ecsdb/core/list.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace list_test {

namespace {

using ecsdb::List;

/// Long enough that a string owns memory.
std::string text(std::uint32_t number) {
    return "a string that does not fit into its own object: " + std::to_string(number);
}

bool same(const List<std::string>& list, const std::vector<std::string>& model) {
    return list.size() == model.size() && list.empty() == model.empty() && std::equal(list.begin(), list.end(), model.begin());
}

struct alignas(64) Wide {
    std::uint64_t value = 7;
};

} // namespace

TEST_CASE("a list does what a std::vector does, whatever is done to it", "[core]") {
    std::mt19937 random{7}; // NOLINT: the same each time
    List<std::string> list;
    std::vector<std::string> model;
    for (int step = 0; step < 20'000; ++step) {
        const auto number = static_cast<std::uint32_t>(random());
        const std::size_t at = model.empty() ? 0 : number % model.size();
        switch (random() % 12) {
        case 0:
        case 1:
        case 2:
            list.push_back(text(number));
            model.push_back(text(number));
            break;
        case 3:
            list.emplace_back(std::size_t{3}, 'x');
            model.emplace_back(3, 'x');
            break;
        case 4:
            REQUIRE(*list.insert(list.begin() + at, text(number)) == text(number));
            model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), text(number));
            break;
        case 5:
            if (!model.empty()) {
                list.pop_back();
                model.pop_back();
            }
            break;
        case 6:
            if (!model.empty()) {
                REQUIRE(list.erase(list.begin() + at) == list.begin() + at);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
            }
            break;
        case 7: {
            const std::size_t count = std::min<std::size_t>(model.size() - at, 3);
            list.erase(list.begin() + at, list.begin() + at + count);
            model.erase(model.begin() + static_cast<std::ptrdiff_t>(at), model.begin() + static_cast<std::ptrdiff_t>(at + count));
            break;
        }
        case 8:
            list.resize(number % 40);
            model.resize(number % 40);
            break;
        case 9: {
            const auto odd = [](const std::string& value) { return !value.empty() && value.back() % 2 != 0; };
            REQUIRE(erase_if(list, odd) == std::erase_if(model, odd));
            break;
        }
        case 10: {
            List<std::string> copy{list};
            list.clear();
            REQUIRE(same(copy, model));
            list = std::move(copy);
            break;
        }
        default:
            list.reserve(number % 60);
            break;
        }
        REQUIRE(same(list, model));
        if (!model.empty()) {
            REQUIRE(list.front() == model.front());
            REQUIRE(list.back() == model.back());
        }
    }
}

TEST_CASE("a list may be given an element of its own while it grows", "[core]") {
    List<std::string> list;
    list.push_back(text(1));
    for (int i = 0; i < 100; ++i) {
        list.push_back(list.front());
    }
    CHECK(std::all_of(list.begin(), list.end(), [](const std::string& value) { return value == text(1); }));
}

TEST_CASE("a list holds what can only be moved, and lets it go once", "[core]") {
    const auto watched = std::make_shared<int>(1);
    {
        List<std::unique_ptr<std::shared_ptr<int>>> list;
        for (int i = 0; i < 100; ++i) {
            list.push_back(std::make_unique<std::shared_ptr<int>>(watched));
        }
        CHECK(watched.use_count() == 101);
        list.erase(list.begin() + 10, list.begin() + 20);
        CHECK(watched.use_count() == 91);
        List<std::unique_ptr<std::shared_ptr<int>>> other{std::move(list)};
        CHECK(watched.use_count() == 91);
        other.resize(5);
        CHECK(watched.use_count() == 6);
    }
    CHECK(watched.use_count() == 1);
}

#if ECSDB_EXCEPTIONS
TEST_CASE("a list lets go of what it has where one more value cannot be made", "[core]") {
    static int left = 0; // values that can still be made
    static int living = 0;
    struct Refusing {
        Refusing() { make(); }
        Refusing(const Refusing&) { make(); }
        Refusing(Refusing&&) noexcept { ++living; }
        Refusing& operator=(const Refusing&) = default;
        ~Refusing() { --living; }
        static void make() {
            if (left == 0) {
                throw 7;
            }
            --left;
            ++living;
        }
    };
    left = 10;
    const List<Refusing> list(10);
    CHECK(living == 10);
    for (int enough = 0; enough < 10; ++enough) {
        left = enough;
        CHECK_THROWS_AS(List<Refusing>{list}, int); // what it leaks, the sanitizers tell
        CHECK(living == 10);
        left = enough;
        CHECK_THROWS_AS(List<Refusing>(10), int);
        CHECK(living == 10);
    }
}
#endif

TEST_CASE("a list aligns its values, and makes new ones as they are by default", "[core]") {
    List<Wide> list(3);
    list.resize(100);
    for (const Wide& value : list) {
        REQUIRE(reinterpret_cast<std::uintptr_t>(&value) % alignof(Wide) == 0);
        REQUIRE(value.value == 7);
    }
    CHECK(List<int>(5)[4] == 0);
}

} // namespace list_test
