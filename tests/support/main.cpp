// The one main all test binaries share. Catch2's own library is not used where the tests bring theirs, so that the main, too, is
// compiled with the flags under test: sanitizers, or no exceptions and no RTTI.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
