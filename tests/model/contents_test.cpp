#include "ecsdb/delta/merge.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "support/contents_fixture.hpp"
#include "support/files.hpp"

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::contents_test {
namespace {

struct NoteModel {
    std::uint32_t stars = 0;
    std::string body;
    std::optional<std::string> remark;
    std::string data;
};
struct EntityModel {
    std::optional<NoteModel> note;
    std::optional<std::string> label;
    bool place = false;
};
using Model = std::map<std::uint64_t, EntityModel>;

/// What a view shows that the model does not, or nothing.
std::string difference(const Notes::View& view, const Model& model) {
    if (view.entity_count() != model.size()) {
        return "another number of entities";
    }
    for (const auto& [bits, wanted] : model) {
        const Entity entity = Entity::from_bits(bits);
        const Note* const note = view.get<Note>(entity);
        const Label* const label = view.get<Label>(entity);
        if ((note != nullptr) != wanted.note.has_value() || (label != nullptr) != wanted.label.has_value() ||
            view.has<Place>(entity) != wanted.place) {
            return "entity " + std::to_string(entity.index()) + " has other components";
        }
        if (note != nullptr &&
            (note->stars != wanted.note->stars || view.text(note->body) != wanted.note->body ||
             note->remark.present != wanted.note->remark.has_value() || view.text(note->remark.value) != wanted.note->remark.value_or("") ||
             as_string(view.blob(note->data)) != wanted.note->data)) {
            return "entity " + std::to_string(entity.index()) + " has another note";
        }
        if (label != nullptr && view.text(label->words) != *wanted.label) {
            return "entity " + std::to_string(entity.index()) + " has another label";
        }
    }
    return {};
}

/// Contents in the version's columns, counted and compared with the handles in rows.
std::string leaks(const storage::Root& root, const Model& model) {
    std::size_t wanted = 0;
    for (const auto& [bits, entity] : model) {
        wanted += entity.note && !entity.note->body.empty() ? 1U : 0U;
        wanted += entity.note && entity.note->remark && !entity.note->remark->empty() ? 1U : 0U;
        wanted += entity.note && !entity.note->data.empty() ? 1U : 0U;
        wanted += entity.label && !entity.label->empty() ? 1U : 0U;
    }
    std::size_t held = 0;
    std::size_t counted = 0;
    root.contents.tables.for_each([&](std::uint32_t, const storage::Node& table) {
        static_cast<const storage::ContentTable&>(table).columns.for_each([&](std::uint32_t, const storage::Node& column) {
            counted += static_cast<const storage::ContentColumn&>(column).count;
            static_cast<const storage::ContentColumn&>(column).contents.for_each([&](std::uint32_t, const storage::Node&) { ++held; });
        });
    });
    return held == wanted && counted == wanted ? std::string{}
                                               : std::to_string(held) + " contents are held, " + std::to_string(counted) +
                                                     " counted, and there should be " + std::to_string(wanted);
}

/// A function's state with a transaction's words.
struct Checked {
    Notes::WriteState& state;

    Text text(std::string_view words) { return *state.text(words); }
    Blob blob(std::span<const std::byte> bytes) { return *state.blob(bytes); }
    Entity create() { return *state.create(); }
    template <typename T>
    void insert(Entity entity, const T& row) {
        REQUIRE(state.insert(entity, row));
    }
    template <typename T>
    void update(Entity entity, const T& row) {
        REQUIRE(state.update(entity, row));
    }
    template <typename T>
    void set(Entity entity, const T& row) {
        REQUIRE(state.set(entity, row));
    }
    template <typename T>
    void remove(Entity entity) {
        REQUIRE(state.remove<T>(entity));
    }
    void destroy(Entity entity) { REQUIRE(state.destroy(entity)); }
};

/// Random transactions, of which some fail, on a database and its model.
class History {
public:
    History(Notes& db, std::uint64_t seed) : db_{&db}, random_{seed} {}

    [[nodiscard]] const Model& model() const noexcept { return model_; }

    /// One transaction of some operations, by commands or by a function; sometimes one that fails in the end.
    void transact() {
        const bool fails = below(4) == 0;
        Model after = model_;
        if (below(2) == 0) {
            auto tx = db_->begin();
            operate(tx, after);
            if (fails) {
                tx.update(Entity{1U << 20U, 1, 0}, Place{});
            }
            const bool committed = tx.commit().has_value();
            REQUIRE(committed != fails);
        } else {
            const Result<void> done = db_->execute([&](Notes::WriteState& state) -> Result<void> {
                Checked checked{state};
                operate(checked, after);
                return fails ? Result<void>{Error{ErrorCode::InvalidArgument, "on purpose"}} : Result<void>{};
            });
            REQUIRE(done.has_value() != fails);
        }
        if (!fails) {
            model_ = std::move(after);
        }
    }

    std::uint64_t below(std::uint64_t end) { return random_() % end; }

private:
    std::string words() {
        const std::uint64_t length = below(8) == 0 ? 0 : below(20) == 0 ? 5000 + below(5000) : below(60);
        std::string text;
        while (text.size() < length) {
            text += below(5) == 0 ? "\xC3\xA4" : std::string(1, static_cast<char>('a' + below(26)));
        }
        return text;
    }
    std::string bytes() {
        std::string bytes(below(3) == 0 ? 0 : below(200), '\0');
        for (char& byte : bytes) {
            byte = static_cast<char>(below(256));
        }
        return bytes;
    }

    template <typename Tx>
    Note note_from(Tx& tx, const NoteModel& model) {
        Note note;
        note.stars = model.stars;
        note.body = tx.text(model.body);
        if (model.remark) {
            note.remark = Nullable<Text>{tx.text(*model.remark)};
        }
        note.data = tx.blob(as_span(model.data));
        return note;
    }
    NoteModel random_note() {
        NoteModel note{static_cast<std::uint32_t>(below(5)), words(), {}, bytes()};
        if (below(2) == 0) {
            note.remark = words();
        }
        return note;
    }

    template <typename Tx>
    void operate(Tx& tx, Model& after) {
        for (std::uint64_t left = 1 + below(6); left != 0; --left) {
            if (after.empty() || below(5) == 0) {
                const NoteModel note = random_note();
                const Note row = note_from(tx, note);
                const Entity entity = tx.create();
                tx.insert(entity, row);
                after[entity.to_bits()] = {note, {}, false};
                continue;
            }
            auto chosen = after.begin();
            std::advance(chosen, static_cast<std::ptrdiff_t>(below(after.size())));
            const Entity entity = Entity::from_bits(chosen->first);
            EntityModel& model = chosen->second;
            switch (below(7)) {
            case 0:
                model.note = random_note();
                tx.set(entity, note_from(tx, *model.note));
                break;
            case 1:
                if (model.note) { // the same words again, in part
                    NoteModel changed = random_note();
                    changed.body = model.note->body;
                    model.note = changed;
                    tx.update(entity, note_from(tx, changed));
                }
                break;
            case 2:
                model.label = words();
                tx.set(entity, Label{tx.text(*model.label)});
                break;
            case 3:
                tx.template remove<Note>(entity);
                model.note.reset();
                break;
            case 4:
                tx.template remove<Label>(entity);
                model.label.reset();
                break;
            case 5:
                tx.set(entity, Place{1, 2});
                model.place = true;
                break;
            default:
                if (below(3) == 0) {
                    tx.destroy(entity);
                    after.erase(chosen);
                } else {
                    tx.template remove<Place>(entity);
                    model.place = false;
                }
                break;
            }
        }
    }

    Notes* db_;
    std::mt19937_64 random_;
    Model model_;
};

} // namespace

TEST_CASE("texts and blobs follow a plain model, in every view kept, whatever fails in between", "[model]") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        Recorder recorder;
        Notes db = open_db<Notes>(stepped());
        db.engine().pipeline().writer().join(recorder);
        History history{db, seed};
        std::vector<std::pair<Notes::View, Model>> kept;
        for (int round = 0; round < 150; ++round) {
            CAPTURE(round);
            const std::uint64_t before = db.read().hash();
            const std::size_t steps = recorder.steps.size();
            history.transact();
            const Notes::View view = db.read();
            REQUIRE(difference(view, history.model()) == "");
            REQUIRE(leaks(view.root(), history.model()) == "");
            if (recorder.steps.size() == steps) {
                REQUIRE(view.hash() == before);
            }
            if (history.below(8) == 0) {
                kept.emplace_back(db.read(), history.model());
            }
            if (kept.size() > 6) {
                kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(history.below(kept.size())));
            }
            for (const auto& [old, model] : kept) {
                REQUIRE(difference(old, model) == "");
            }
        }

        // Each delta by itself, and then several in one, lead an empty database through the same states.
        ContentReplica one_by_one;
        for (const Recorder::Step& step : recorder.steps) {
            REQUIRE(one_by_one.apply(step.delta));
            REQUIRE(one_by_one.hash() == step.hash);
        }
        ContentReplica merged;
        for (std::size_t first = 0; first < recorder.steps.size();) {
            const std::size_t count = std::min<std::size_t>(1 + history.below(9), recorder.steps.size() - first);
            std::vector<std::span<const std::byte>> deltas;
            for (std::size_t i = first; i < first + count; ++i) {
                deltas.emplace_back(recorder.steps[i].delta);
            }
            SystemAllocator memory;
            ByteBuffer sum{memory};
            const Result<void> joined = delta::merge(db.read().schema(), deltas, sum, memory);
            REQUIRE(joined);
            const auto applied = merged.apply(sum.view());
            if (!applied) {
                FAIL(applied.error().message());
            }
            first += count;
            REQUIRE(merged.hash() == recorder.steps[first - 1].hash);
        }
    }
}

TEST_CASE("texts and blobs come back from the log and from snapshots", "[model]") {
    for (std::uint64_t seed = 11; seed <= 13; ++seed) {
        CAPTURE(seed);
        const ScratchDirectory directory;
        Options options = stepped();
        options.directory = directory.file("db");
        options.durability = Durability::Logged;
        std::uint64_t hash = 0;
        Model model;
        {
            Notes db = open_db<Notes>(options);
            History history{db, seed};
            for (int round = 0; round < 60; ++round) {
                history.transact();
                if (round == 30 && seed != 11) {
                    REQUIRE(db.snapshot());
                }
            }
            if (seed == 13) {
                REQUIRE(db.snapshot());
            }
            hash = db.read().hash();
            model = history.model();
            REQUIRE(db.close());
        }
        for (int again = 0; again < 2; ++again) {
            Notes db = open_db<Notes>(options);
            CHECK(db.read().hash() == hash);
            CHECK(difference(db.read(), model) == "");
            CHECK(leaks(db.read().root(), model) == "");
            REQUIRE(db.snapshot()); // what was loaded is saved, and loaded again
            REQUIRE(db.close());
        }
    }
}

} // namespace ecsdb::test::contents_test
