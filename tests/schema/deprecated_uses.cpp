// Compiled by tests of their own (CMakeLists.txt beside this file), not linked: what the schema calls deprecated is told to whoever uses
// it, and to nobody else.
#include "rich_components.hpp"

int main() {
    generated::rich::apple apple{};
#if defined(USES_A_TABLE)
    generated::rich::zebra zebra{};
    static_cast<void>(zebra);
#elif defined(USES_A_FIELD)
    apple.any = {};
#endif
    using Names = decltype(apple);
    return sizeof(Names) != 0 ? 0 : 1;
}
