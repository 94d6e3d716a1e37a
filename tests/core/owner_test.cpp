#include "ecsdb/core/owner.hpp"

#include "support/catch.hpp"

#include <utility>

namespace owner_test {

namespace {

struct Counted {
    explicit Counted(int& living) noexcept : living_{&living} { ++living; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*living_; }
    int* living_;
};

using ecsdb::Owner;

} // namespace

TEST_CASE("an owner of nothing is false, and deletes nothing") {
    Owner<Counted> owner;
    CHECK_FALSE(owner);
    CHECK(owner.get() == nullptr);
    owner.reset();
    CHECK(owner.release() == nullptr);
}

TEST_CASE("an owner deletes what it owns once, however it moves") {
    int living = 0;
    {
        Owner<Counted> first{new Counted{living}};
        Owner<Counted> second{std::move(first)};
        CHECK(second->living_ == &living);
        CHECK(living == 1);
        Owner<Counted> third{new Counted{living}};
        third = std::move(second);
        CHECK(living == 1);
        Owner<Counted>& itself = third;
        third = std::move(itself);
        CHECK(third);
        CHECK(living == 1);
    }
    CHECK(living == 0);
}

TEST_CASE("what an owner released is somebody else's to delete, and reset deletes at once") {
    int living = 0;
    Owner<Counted> owner{new Counted{living}};
    Counted* const released = owner.release();
    owner.reset(new Counted{living});
    CHECK(living == 2);
    owner.reset();
    CHECK(living == 1);
    delete released;
    CHECK(living == 0);
}

} // namespace owner_test
