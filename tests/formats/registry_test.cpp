#include "ecsdb/formats/registry.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "support/catch.hpp"

#include <memory>

namespace ecsdb::test::registry_test {

namespace {

/// What a program may bring.
class Named final : public formats::Format {
public:
    explicit Named(std::string_view name) : name_{name} {}
    [[nodiscard]] std::string_view format_name() const noexcept override { return name_; }
    [[nodiscard]] std::uint32_t format_version() const noexcept override { return 7; }
    [[nodiscard]] Result<void> save(const View&, const formats::SaveOptions&, ByteBuffer&) const override { return {}; }
    [[nodiscard]] Result<formats::LoadReport> load(std::span<const std::byte>, const formats::LoadTarget&,
                                                   const formats::LoadOptions&) const override {
        return formats::LoadReport{};
    }

private:
    std::string_view name_;
};

} // namespace

TEST_CASE("formats are chosen by name, listed, and unknown ones named with those known", "[formats][registry]") {
    formats::Registry registry;
    CHECK(registry.names().empty());
    CHECK(registry.choose("pecs").error().message() == "no format `pecs`; none is registered");
    REQUIRE(registry.add(std::make_unique<formats::PecsFormat>()));
    REQUIRE(registry.add(std::make_unique<Named>("mine")));
    CHECK(registry.names() == std::vector<std::string_view>{"mine", "pecs"});
    CHECK((*registry.choose("mine"))->format_version() == 7);
    CHECK((*registry.choose("pecs"))->format_name() == "pecs");
    const auto unknown = registry.choose("PECS");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code() == ErrorCode::NotFound);
    CHECK(unknown.error().message() == "no format `PECS`; there are mine, pecs");
}

TEST_CASE("a format is registered once, and under a name", "[formats][registry]") {
    formats::Registry registry;
    CHECK(registry.add(nullptr).error().code() == ErrorCode::InvalidArgument);
    CHECK(registry.add(std::make_unique<Named>("")).error().code() == ErrorCode::InvalidArgument);
    REQUIRE(registry.add(std::make_unique<Named>("mine")));
    CHECK(registry.add(std::make_unique<Named>("mine")).error().code() == ErrorCode::AlreadyExists);
}

} // namespace ecsdb::test::registry_test
