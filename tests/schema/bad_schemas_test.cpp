#include "support/catch.hpp"

#include "ecsdb/schema/toml_reader.hpp"

#include <string>
#include <vector>

namespace bad_schemas_test {

namespace {

/// A faulty schema file, and all of what is said about it.
struct BadSchema {
    const char* text;
    const char* complaint;
};

/// One line of the file each, so that line and column can be read off here.
const std::vector<BadSchema> bad_schemas{
    // The language.
    {"[database\nname = 1", "bad.toml:1:10: "},
    {"[tables.a]\n[tables.a]\n", "bad.toml:2:1: "},
    // Unknown keys, everywhere one can stand.
    {"[databse]\nname = \"x\"", "bad.toml:1:2: schema: there is no key `databse` (did you mean `database`?)"},
    {"[database]\nnmae = \"x\"", "bad.toml:2:1: [database]: there is no key `nmae` (did you mean `name`?)"},
    {"[tables.a]\nstorge = \"table\"", "bad.toml:2:1: table `a`: there is no key `storge` (did you mean `storage`?)"},
    {"[[tables.a.fields]]\nname = \"x\"\ntype = \"u8\"\ndefualt = 1",
     "bad.toml:4:1: table `a`, field `x`: there is no key `defualt` (did you mean `default`?)"},
    {"[enums.E]\nvalues = [\"a\"]\nunderlying = \"u8\"", "bad.toml:3:1: enum `E`: there is no key `underlying`"},
    {"[structs.S]\nfeilds = []", "bad.toml:2:1: struct `S`: there is no key `feilds` (did you mean `fields`?)"},
    {"[tables.entities]\nstorage = \"table\"", "bad.toml:2:1: table `entities`: there is no key `storage`"},
    // Values of the wrong kind.
    {"database = 3", "bad.toml:1:12: schema: `database` must be a table"},
    {"[database]\nname = 3", "bad.toml:2:8: [database]: `name` must be text in quotes"},
    {"[tables]\na = 3", "bad.toml:2:1: schema: `a` must be a table"},
    {"[tables.a]\nfields = 3", "bad.toml:2:10: table `a`: `fields` must be a list of tables, each begun with two brackets"},
    {"[tables.a]\nfields = [3]", "bad.toml:2:11: table `a`: a field must be a table with a `name` and a `type`"},
    {"[tables.a]\nstorage = \"spares\"",
     "bad.toml:2:11: table `a`: `storage` cannot be `spares` (did you mean `sparse`?); it is one of `table`, `sparse`"},
    {"[tables.a]\npersist = \"disk\"", "bad.toml:2:11: table `a`: `persist` cannot be `disk`; it is one of `wal`, `snapshot`, `transient`"},
    {"[tables.a]\ncapacity = -1", "bad.toml:2:12: table `a`: `capacity` must be a whole number from 0 to 9223372036854775807"},
    {"[tables.a]\nversion = 0", "bad.toml:2:11: table `a`: `version` must be a whole number from 1 to 4294967295"},
    {"[tables.a]\nversion = 4294967296", "bad.toml:2:11: table `a`: `version` must be a whole number from 1 to 4294967295"},
    {"[tables.a]\ndeprecated = 1", "bad.toml:2:14: table `a`: `deprecated` must be true or false"},
    // Fields.
    {"[[tables.a.fields]]\ntype = \"u8\"", "bad.toml:1:1: table `a`: a field needs a `name`"},
    {"[[tables.a.fields]]\nname = \"x\"", "bad.toml:1:1: table `a`, field `x`: needs a `type`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u9\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `u9` is not known (did you mean `u8`?)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"text[3]\" }]",
     "bad.toml:2:32: table `a`, field `x`: there are no arrays of text: give each its own field, or its own row"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"text\", constraint = \"unique\" }]",
     "bad.toml:2:53: table `a`, field `x`: `unique` needs a type of fixed size, as `string[N]` is, and text is not one"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"blob\", indexed = true }]",
     "bad.toml:2:50: table `a`, field `x`: an index needs a type of fixed size, as `string[N]` is, and blob is not one"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"text\", max_length = 0 }]",
     "bad.toml:2:53: table `a`, field `x`: `max_length` must be 1 to 1073741824 bytes"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", max_length = 4 }]",
     "bad.toml:2:51: table `a`, field `x`: `max_length` is for `text` and `blob`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"text\", min = 1 }]",
     "bad.toml:2:46: table `a`, field `x`: `min` bounds numbers, and the field is text"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"text\", max_length = 2, default = \"abc\" }]",
     "bad.toml:2:66: table `a`, field `x`: default \"abc\" has 3 bytes, and the field holds 2"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"blob\", default = \"abc\" }]",
     "bad.toml:2:50: table `a`, field `x`: default \"abc\" cannot be the default of a blob: it is empty until it is set"},
    {"[structs.S]\nfields = [{ name = \"x\", type = \"text\" }]",
     "bad.toml:2:32: struct `S`, field `x`: text can only be a field of a table, not of a struct"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[3\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `u8[3` must be a word and numbers in brackets, as in `f32[4]`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[]\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `u8[]` must have a number in its brackets, as in `f32[4]`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[-1]\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `u8[-1]` must have a number in its brackets, as in `f32[4]`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[99999999999]\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `u8[99999999999]` has more elements than a row can have"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[0]\" }]",
     "bad.toml:2:32: table `a`, field `x`: an array of no elements holds nothing"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[1][1][1][1][1][1][1][1][1]\" }]",
     "bad.toml:2:32: table `a`, field `x`: an array has at most 8 dimensions"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"f64[1000000]\" }]",
     "bad.toml:2:32: table `a`, field `x`: reaches past the 1048576 bytes a row can have"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"string\" }]",
     "bad.toml:2:32: table `a`, field `x`: type `string` needs the most bytes it holds, as in `string[32]`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"string[0]\" }]",
     "bad.toml:2:32: table `a`, field `x`: a string holds 1 to 65533 bytes, not 0"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"string[65534]\" }]",
     "bad.toml:2:32: table `a`, field `x`: a string holds 1 to 65533 bytes, not 65534"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", auto_increment = true }]",
     "bad.toml:2:55: table `a`, field `x`: only the version of an entity, in [tables.entities], counts by itself"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", constraint = \"uniqe\" }]",
     "bad.toml:2:51: table `a`, field `x`: a `constraint` is one of `unique`, `not_null` (did you mean `unique`?)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", constraint = [\"unique\", 3] }]",
     "bad.toml:2:62: table `a`, field `x`: a `constraint` is one of `unique`, `not_null`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", nullable = true, constraint = \"not_null\" }]",
     "bad.toml:2:49: table `a`, field `x`: a field is either nullable or not_null"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"f32\", constraint = \"unique\" }]",
     "bad.toml:2:52: table `a`, field `x`: `unique` needs a type whose equal values are equal bytes, and f32 is not one"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8[4]\", indexed = true }]",
     "bad.toml:2:51: table `a`, field `x`: an index needs a single value, and the field is u8[4]"},
    // Names.
    {"[tables.a]\nfields = [{ name = \"x y\", type = \"u8\" }]",
     "bad.toml:2:20: table `a`, field `x y`: a name is 1 to 128 letters, digits and underscores, and starts with no digit"},
    {"[tables.a]\nfields = [{ name = \"float\", type = \"u8\" }]",
     "bad.toml:2:20: table `a`, field `float`: the name is a word of C++, so no struct could be generated for it"},
    {"[tables.a]\nfields = [{ name = \"__x\", type = \"u8\" }]",
     "bad.toml:2:20: table `a`, field `__x`: names that start with two underscores are reserved"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\" },\n{ name = \"x\", type = \"u8\" }]",
     "bad.toml:3:10: table `a`, field `x`: a field of this name is already there"},
    {"[tables.\"9\"]", "bad.toml:1:1: table `9`: a name is 1 to 128 letters, digits and underscores, and starts with no digit"},
    {"[tables.a]\nfields = [{ name = \"entity_id\", type = \"u64\" }]",
     "bad.toml:2:11: table `a`, field `entity_id`: the row's own entity needs `foreign_key = \"entities.id\"`"},
    {"[enums.u8]\nvalues = [\"a\"]", "bad.toml:1:1: enum `u8`: the name is that of a built-in type"},
    {"[enums.E]\nvalues = [\"a\"]\n[structs.E]\nfields = [{ name = \"x\", type = \"u8\" }]",
     "bad.toml:3:1: struct `E`: an enum or struct of this name is already there"},
    // Defaults and bounds.
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", default = 256 }]",
     "bad.toml:2:48: table `a`, field `x`: default 256 does not fit in u8"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", default = -1 }]",
     "bad.toml:2:48: table `a`, field `x`: default -1 does not fit in u8"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", default = 1.0 }]",
     "bad.toml:2:48: table `a`, field `x`: default 1.0 is not an integer, and the field is u8"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"f32\", default = 1e39 }]",
     "bad.toml:2:49: table `a`, field `x`: default 1e+39 is not a number within f32"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"f64\", default = nan }]",
     "bad.toml:2:49: table `a`, field `x`: default nan is not a number within f64"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"f64\", default = true }]",
     "bad.toml:2:49: table `a`, field `x`: default true is not a number, and the field is f64"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"bool\", default = 1 }]",
     "bad.toml:2:50: table `a`, field `x`: default 1 is neither true nor false, and the field is bool"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"string[3]\", default = \"four\" }]",
     "bad.toml:2:55: table `a`, field `x`: default \"four\" has 4 bytes, and the field holds 3"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"string[3]\", default = 4 }]",
     "bad.toml:2:55: table `a`, field `x`: default 4 is not text, and the field is a string"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"entity\", default = 4 }]",
     "bad.toml:2:52: table `a`, field `x`: default 4 cannot be the default of an entity reference: it is null until it is set"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"E\", default = \"rad\" }]\n[enums.E]\nvalues = [\"red\"]",
     "bad.toml:2:47: table `a`, field `x`: default \"rad\" is no value of enum `E` (did you mean `red`?)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"S\", default = 1 }]\n[structs.S]\nfields = [{ name = \"y\", type = \"u8\" }]",
     "bad.toml:2:47: table `a`, field `x`: default 1 cannot be the default of a struct: give its fields defaults instead"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", default = [1] }]",
     "bad.toml:2:48: table `a`, field `x`: `default` must be a single number, text, true or false"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", default = 5, max = 4 }]",
     "bad.toml:2:48: table `a`, field `x`: default 5 is above max 4"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"i8\", default = -5, min = -4 }]",
     "bad.toml:2:48: table `a`, field `x`: default -5 is below min -4"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", min = 5, max = 4 }]",
     "bad.toml:2:44: table `a`, field `x`: min 5 is above max 4"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", max = 300 }]",
     "bad.toml:2:44: table `a`, field `x`: max 300 does not fit in u8"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"bool\", min = 0 }]",
     "bad.toml:2:46: table `a`, field `x`: `min` bounds numbers, and the field is bool"},
    // Enums and structs.
    {"[enums.E]\ntype = \"f32\"\nvalues = [\"a\"]", "bad.toml:2:8: enum `E`: an enum is stored as an integer, not as f32"},
    {"[enums.E]\ntype = \"u9\"\nvalues = [\"a\"]", "bad.toml:2:8: enum `E`: type `u9` is not an integer type (did you mean `u8`?)"},
    {"[enums.E]\ntype = \"u8\"", "bad.toml:1:1: enum `E`: needs `values`, as in `values = [\"red\", \"blue\"]`"},
    {"[enums.E]\nvalues = []", "bad.toml:1:1: enum `E`: an enum has 1 to 4096 values"},
    {"[enums.E]\nvalues = 3", "bad.toml:2:10: enum `E`: `values` must be a list of names, or a table of names and numbers"},
    {"[enums.E]\nvalues = [3]", "bad.toml:2:11: enum `E`: a list of values holds names in quotes"},
    {"[enums.E]\nvalues = { a = \"b\" }", "bad.toml:2:16: enum `E`, value `a`: must be an integer"},
    {"[enums.E]\nvalues = { a = 256 }", "bad.toml:2:16: enum `E`, value `a`: 256 does not fit in u8"},
    {"[enums.E]\nvalues = { a = 1, b = 1 }", "bad.toml:2:23: enum `E`, value `b`: the number 1 is already that of `a`"},
    {"[enums.E]\nvalues = [\"a\", \"a\"]", "bad.toml:2:16: enum `E`, value `a`: a value of this name is already there"},
    {"[structs.S]", "bad.toml:1:1: struct `S`: a struct without fields holds nothing"},
    {"[structs.S]\nfields = [{ name = \"x\", type = \"S\" }]",
     "bad.toml:2:32: struct `S`, field `x`: struct `S` would contain itself through `S`"},
    {"[structs.S]\nfields = [{ name = \"x\", type = \"u8\", indexed = true }]",
     "bad.toml:2:48: struct `S`, field `x`: `indexed` belongs to a field of a table, not of a struct"},
    {"[structs.S]\nfields = [{ name = \"x\", type = \"u8\", min = 1 }]",
     "bad.toml:2:44: struct `S`, field `x`: `min` belongs to a field of a table, not of a struct"},
    // Parents.
    {"[tables.a]\nparent_table = \"b\"\n[tables.bc]", "bad.toml:2:16: table `a`: parent table `b` is not in the schema"},
    {"[tables.a]\nparent_table = \"a\"", "bad.toml:2:16: table `a`: parent `a` is also its child, so neither could ever be added"},
    {"[tables.a]\nparent_table = \"b\"\n[tables.b]\nparent_table = \"a\"",
     "bad.toml:4:16: table `b`: parent `a` is also its child, so neither could ever be added"},
    {"[tables.a]\nparent_table = \"b\"\n[tables.b]\npersist = \"transient\"",
     "bad.toml:2:16: table `a`: rows kept as `wal` would outlive their parent `b`, kept as `transient`"},
    // Foreign keys.
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"entities\" }]",
     "bad.toml:2:53: table `a`, field `x`: `foreign_key` must be a table and a field, as in `entities.id`, not `entities`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"entitys.id\" }]",
     "bad.toml:2:53: table `a`, field `x`: foreign key to `entitys.id`: table `entitys` is not in the schema (did you mean `entities`?)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"entities.version\" }]",
     "bad.toml:2:53: table `a`, field `x`: only `entities.id` can be the target of a foreign key, not `entities.version`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"b.cod\" }]\n[tables.b]\nfields = [{ name = \"code\", type = "
     "\"u64\" }]",
     "bad.toml:2:53: table `a`, field `x`: foreign key to `b.cod`: the table has no such field (did you mean `code`?)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u32\", foreign_key = \"entities.id\" }]",
     "bad.toml:2:53: table `a`, field `x`: foreign key to `entities.id`: the target is an entity, and the field is u32 (write `entity` or "
     "`u64`)"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"b.code\" }]\n[tables.b]\nfields = [{ name = \"code\", type = "
     "\"u64\" }]",
     "bad.toml:2:53: table `a`, field `x`: foreign key to `b.code`: the target is not unique, so it names no single row"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"b.code\" }]\n[tables.b]\nfields = [{ name = \"code\", type = "
     "\"string[4]\", constraint = \"unique\" }]",
     "bad.toml:2:53: table `a`, field `x`: foreign key to `b.code`: the field is u64, and the target is string[4]"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64[2]\", foreign_key = \"entities.id\" }]",
     "bad.toml:2:56: table `a`, field `x`: a foreign key is a single value, and the field is u64[2]"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", on_delete = \"cascade\" }]",
     "bad.toml:2:51: table `a`, field `x`: `on_delete` says what becomes of a `foreign_key`, and there is none"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"entities.id\", on_delete = \"casacde\" }]",
     "bad.toml:2:80: table `a`, field `x`: `on_delete` cannot be `casacde` (did you mean `cascade`?); it is one of `restrict`, `cascade`, "
     "`set_null`"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", constraint = \"not_null\", foreign_key = \"entities.id\", on_delete = "
     "\"set_null\" "
     "}]",
     "bad.toml:2:105: table `a`, field `x`: `set_null` cannot clear a field that is not_null"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u8\", foreign_key = \"b.code\", on_delete = \"set_null\" }]\n[tables.b]\nfields = [{ "
     "name "
     "= \"code\", type = \"u8\", constraint = \"unique\" }]",
     "bad.toml:2:74: table `a`, field `x`: `set_null` needs a field that is nullable"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"b.entity_id\" }]\n[tables.b]\npersist = \"snapshot\"",
     "bad.toml:2:53: table `a`, field `x`: rows kept as `wal` cannot refer to `b`, kept as `snapshot`: after a restart the target would be "
     "missing"},
    {"[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"b.entity_id\", on_delete = \"cascade\" }]\n[tables.b]\nfields "
     "= [{ "
     "name = \"y\", type = \"u64\", foreign_key = \"a.entity_id\" }]",
     "bad.toml:4:11: table `b`, field `y`: `restrict` closes a circle in which `a.x` cascades: a removal would both be required and "
     "forbidden"},
    {"[tables.a]\nparent_table = \"b\"\n[tables.b]\nfields = [{ name = \"y\", type = \"u64\", foreign_key = \"a.entity_id\", on_delete = "
     "\"restrict\" }]",
     "bad.toml:4:80: table `b`, field `y`: `restrict` closes a circle in which `a` goes with its parent `b`: a removal would both be "
     "required and forbidden"},
    // What the engine keeps itself.
    {"[tables.entities]\nfields = [{ name = \"hp\", type = \"u32\" }]",
     "bad.toml:2:11: table `entities`, field `hp`: the registry of entities keeps only their id and a version with `auto_increment = "
     "true`; anything else belongs in a table of its own"},
    {"[tables.entities]\nfields = [{ name = \"id\", type = \"u32\" }]",
     "bad.toml:2:33: table `entities`, field `id`: an entity's id is `u64`"},
    {"[tables.entities]\nfields = [{ name = \"version\", type = \"u64\", auto_increment = true }]",
     "bad.toml:2:38: table `entities`, field `version`: an entity's version is `u32`"},
    {"[tables.entities]\nprimary_key = \"uid\"", "bad.toml:2:15: table `entities`: `primary_key` names no field `uid` of the table"},
    {"[tables.entities]\nfields = [{ name = \"id\", type = \"u64\" }, { name = \"id\", type = \"u64\" }]",
     "bad.toml:2:42: table `entities`, field `id`: an entity has only one id"},
    {"[tables.a]\nprimary_key = \"me\"", "bad.toml:2:15: table `a`: `primary_key` names no field `me` of the table"},
    {"[tables.a]\nfields = [{ name = \"entity_id\", type = \"u32\", foreign_key = \"entities.id\" }]",
     "bad.toml:2:40: table `a`, field `entity_id`: the row's own entity is `u64`"},
    {"[tables.a]\nfields = [{ name = \"entity_id\", type = \"u64\", foreign_key = \"entities.id\", on_delete = \"restrict\" }]",
     "bad.toml:2:88: table `a`, field `entity_id`: a row always goes with its own entity, so only `cascade` is true"},
    {"[tables.a]\nfields = [{ name = \"entity_id\", type = \"u64\", foreign_key = \"entities.id\", default = 1 }]",
     "bad.toml:2:76: table `a`, field `entity_id`: there is no key `default`"},
};

} // namespace

TEST_CASE("every bad schema is refused with its own message and place", "[schema][bad_schemas]") {
    for (const BadSchema& bad : bad_schemas) {
        CAPTURE(bad.text);
        const auto schema = ecsdb::parse_schema(bad.text, "bad.toml");
        REQUIRE_FALSE(schema);
        CHECK(schema.error().code() == ecsdb::ErrorCode::InvalidSchema);
        const std::string complaint{bad.complaint};
        const bool is_ours = complaint.find(": ", 10) + 2 < complaint.size();
        if (is_ours) {
            CHECK(schema.error().message() == complaint);
        } else { // The language's own complaints are worded by its parser.
            CHECK(schema.error().message().substr(0, complaint.size()) == complaint);
            CHECK(schema.error().message().size() > complaint.size());
        }
    }
}

TEST_CASE("there are many ways to be wrong, and each is told differently", "[schema][bad_schemas]") {
    CHECK(bad_schemas.size() >= 30);
    for (const BadSchema& one : bad_schemas) {
        for (const BadSchema& other : bad_schemas) {
            const bool same = &one == &other;
            CHECK((same || std::string{one.text} != other.text));
        }
    }
}

} // namespace bad_schemas_test
