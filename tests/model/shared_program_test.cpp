// Random programs of several threads on the same entities, against a plain model that follows in the order of the commits. Runs by
// the clock (support/environment.hpp) and prints its seed; ECSDB_TEST_SEED repeats one, as far as threads can be repeated.
#include "support/environment.hpp"
#include "support/storage_fixture.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::shared_program_test {

/// Which transaction wrote last. Every one of them writes it to the beacon, so that whoever takes part in the commit knows which it is.
struct Mark {
    std::uint64_t serial;
};
ECSDB_COMPONENT(Mark, serial);
/// Sets one entity apart: its pages are nobody else's.
struct Beacon {};
ECSDB_COMPONENT(Beacon);

namespace {

using World = Database<Position, Account, Level, Visible, Wide, Target, Burning, Mark, Beacon>;
constexpr TableId account_table = 1;
constexpr TableId level_table = 2;
constexpr TableId mark_table = 7;
constexpr TableId beacon_table = 8;

template <typename T>
RowBytes row_of(const T& value) {
    return std::make_shared<std::string>(reinterpret_cast<const char*>(&value), std::is_empty_v<T> ? 0 : sizeof(T));
}
template <typename T>
T value_of(const RowBytes& row) {
    T value{};
    std::memcpy(&value, row->data(), sizeof(T));
    return value;
}
std::span<const std::byte> span_of(const RowBytes& row) {
    return {bytes_of(row), row->size()};
}

enum class Form : std::uint8_t { Command, Bulk, Apply, Function, CreateMany, Column };
enum class Kind : std::uint8_t { Create, Destroy, Insert, Update, Set, Remove, UpdatePart };

struct Edit {
    Kind kind = Kind::Create;
    Entity entity;
    std::size_t created = 0; ///< Not 0: instead of `entity`, the so-many-th that this transaction creates.
    TableId table = 0;
    RowBytes row;
    std::uint32_t offset = 0;
};

/// One transaction: what it does, and what became of it.
struct Program {
    std::uint64_t serial = 0; ///< The thread's number in the upper half.
    Form form = Form::Command;
    std::vector<Edit> edits;
    bool gives_up = false; ///< A function that returns an error in the end.

    // What a function saw, edit by edit, on the writer.
    std::vector<ErrorCode> codes;
    std::vector<RowBytes> rows;

    bool may_fail = false; ///< There was a state in which it cannot be done.
    std::atomic<bool> accepted{false};
    std::vector<Entity> created;
};

/// The model as one transaction sees and changes it.
class Overlay {
public:
    using Rows = std::map<TableId, RowBytes>;

    explicit Overlay(const Model& model) : model_{model} {}

    /// Null when it is dead.
    Rows* find(Entity entity) {
        auto known = changed_.find(entity);
        if (known == changed_.end()) {
            const auto found = model_.living.find(entity.index());
            if (found == model_.living.end() || found->second.generation != entity.generation()) {
                return nullptr;
            }
            known = changed_.emplace(entity, Change{true, false, found->second.rows}).first;
        }
        return known->second.alive ? &known->second.rows : nullptr;
    }
    void create(Entity entity) { changed_[entity] = {true, true, {}}; }

    /// What an edit must end with, and does.
    ErrorCode perform(const Edit& edit, Entity entity) {
        if (edit.kind == Kind::Create) {
            create(entity);
            return success;
        }
        Rows* const rows = find(entity);
        const bool present = rows != nullptr && rows->count(edit.table) != 0;
        if (edit.kind == Kind::Destroy || edit.kind == Kind::Remove) {
            if (edit.kind == Kind::Destroy ? rows != nullptr : present) {
                Change& change = changed_[entity];
                change.touched = true;
                change.alive = edit.kind == Kind::Remove;
                change.rows.erase(edit.table);
            }
            return success;
        }
        if (rows == nullptr || (!present && (edit.kind == Kind::Update || edit.kind == Kind::UpdatePart))) {
            return ErrorCode::NotFound;
        }
        if (present && edit.kind == Kind::Insert) {
            return ErrorCode::AlreadyExists;
        }
        if (edit.kind == Kind::UpdatePart) {
            auto whole = std::make_shared<std::string>(*(*rows)[edit.table]);
            std::copy(edit.row->begin(), edit.row->end(), whole->begin() + edit.offset);
            (*rows)[edit.table] = std::move(whole);
        } else {
            (*rows)[edit.table] = edit.row;
        }
        changed_[entity].touched = true;
        return success;
    }

    void settle(Model& model) {
        for (auto& [entity, change] : changed_) {
            const std::uint32_t index = entity.index();
            if (!change.touched) {
                continue;
            }
            if (auto& generation = model.generations[index]; generation != entity.generation()) {
                generation = entity.generation();
                model.counts[index] = 0;
            }
            ++model.counts[index];
            if (change.alive) {
                model.living[index] = {entity.generation(), std::move(change.rows)};
            } else {
                model.living.erase(index);
            }
        }
    }

private:
    struct Change {
        bool alive;
        bool touched;
        Rows rows;
    };
    const Model& model_;
    std::map<Entity, Change> changed_;
};

/// Runs `program` on `model`; what is wrong with the idea that it was accepted, or nothing.
std::string replay(const Program& program, const std::vector<Entity>& created, Model& model) {
    if (program.form == Form::Column) {
        for (auto& [index, living] : model.living) {
            if (living.rows.count(account_table) * living.rows.count(level_table) * living.rows.count(mark_table) != 0) {
                const auto balance = static_cast<std::uint64_t>(value_of<Account>(living.rows[account_table]).balance);
                const std::uint64_t next = balance * 3 + value_of<Level>(living.rows[level_table]).number;
                living.rows[account_table] = row_of(Account{static_cast<std::int64_t>(next)});
                living.rows[mark_table] = row_of(Mark{program.serial});
            }
        }
        return {};
    }
    if (program.gives_up) {
        return "it gave up";
    }
    Overlay overlay{model};
    std::size_t next_created = 0;
    for (std::size_t i = 0; i < program.edits.size(); ++i) {
        const Edit& edit = program.edits[i];
        if (edit.kind == Kind::Create && next_created == created.size()) {
            return "it created fewer than it was to";
        }
        const Entity entity = edit.kind == Kind::Create ? created[next_created++]
                              : edit.created != 0       ? created[edit.created - 1]
                                                        : edit.entity;
        if (i < program.codes.size() && edit.kind != Kind::Create) {
            const Overlay::Rows* const rows = overlay.find(entity);
            const auto row = rows == nullptr ? Overlay::Rows::const_iterator{} : rows->find(edit.table);
            const bool present = rows != nullptr && row != rows->end();
            const RowBytes& seen = program.rows[i];
            if ((seen != nullptr) != present || (present && *seen != *row->second)) {
                return "a function saw another row than there was";
            }
        }
        const ErrorCode code = overlay.perform(edit, entity);
        if (i < program.codes.size() ? program.codes[i] != code : code != success) {
            return "an operation ended otherwise than it must";
        }
    }
    if (next_created != created.size()) {
        return "it created more than it was to";
    }
    overlay.settle(model);
    return {};
}

/// Whether `program` cannot be done in this state.
bool fails_in(const Program& program, const Model& model) {
    if (program.form == Form::Function || program.form == Form::CreateMany || program.form == Form::Column) {
        return program.gives_up;
    }
    Overlay overlay{model};
    std::uint32_t created = 0;
    for (const Edit& edit : program.edits) {
        const auto placeholder = [](std::size_t number) { return Entity{0xFFFF0000U + static_cast<std::uint32_t>(number), 1, 0}; };
        const Entity entity = edit.kind == Kind::Create ? placeholder(++created)
                              : edit.created != 0       ? placeholder(edit.created)
                                                        : edit.entity;
        if (overlay.perform(edit, entity) != success) {
            return true;
        }
    }
    return false;
}

/// Follows every commit with the model, on the writer, and compares each published version with it.
class Follower final : public transaction::Participant {
public:
    explicit Follower(std::size_t threads) : open_(threads) {}

    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer& state) noexcept override {
        state_ = &state;
        created_.clear();
        for (const storage::Change& change : state.changes().list()) {
            if (change.kind == storage::ChangeKind::Created) {
                created_.push_back({change.index, static_cast<std::uint32_t>(change.before), 0});
            }
        }
        return {};
    }
    void accepted(const transaction::Accepted&) noexcept override {
        Mark mark{};
        std::memcpy(&mark, state_->find_row(beacon, mark_table), sizeof(mark));
        batch_.emplace_back(mark.serial, std::move(created_));
    }
    void published(const storage::Root& root) noexcept override {
        const std::lock_guard lock{mutex_};
        for (auto& [serial, created] : batch_) {
            if (wrong_.empty()) {
                follow(serial, std::move(created));
            }
        }
        batch_.clear();
        if (wrong_.empty()) {
            compare(root);
        }
        living_.clear();
        for (const auto& [index, living] : model_.living) {
            if (const Entity entity{index, living.generation, 0}; entity != beacon) {
                living_.push_back(entity);
            }
        }
    }

    // Any thread.
    void register_program(std::shared_ptr<Program> program) {
        const std::lock_guard lock{mutex_};
        open_[program->serial >> 32U].push_back(std::move(program));
    }
    [[nodiscard]] std::string wrong() {
        const std::lock_guard lock{mutex_};
        return wrong_;
    }
    /// Somebody who lives, or did a moment ago; never the beacon.
    [[nodiscard]] Entity somebody(std::uint64_t random) {
        const std::lock_guard lock{mutex_};
        return living_.empty() ? Entity{} : living_[random % living_.size()];
    }
    [[nodiscard]] std::size_t population() {
        const std::lock_guard lock{mutex_};
        return living_.size();
    }

    Entity beacon;
    std::uint64_t commits = 0; ///< Once the threads are done.
    std::uint64_t versions_compared = 0;
    std::uint64_t failures = 0;

private:
    void follow(std::uint64_t serial, std::vector<Entity> created) {
        // Of each thread, all that came before one that was accepted are accepted already, or have failed in one of the states since.
        for (auto& programs : open_) {
            for (const auto& program : programs) {
                program->may_fail = program->may_fail || fails_in(*program, model_);
            }
        }
        auto& own = open_[serial >> 32U];
        while (!own.empty() && own.front()->serial != serial) {
            if (!own.front()->may_fail) {
                wrong_ = describe(own.front()->serial) + " failed, although nothing was in its way";
            }
            own.pop_front();
            ++failures;
        }
        if (own.empty()) {
            wrong_ = describe(serial) + " was accepted twice, or out of its thread's order";
            return;
        }
        for (const Entity entity : created) {
            if (!given_.insert(entity).second) {
                wrong_ = "an id was given twice";
            }
        }
        if (const std::string wrong = replay(*own.front(), created, model_); !wrong.empty()) {
            wrong_ = describe(serial) + ": " + wrong;
        }
        own.front()->created = std::move(created);
        own.front()->accepted = true;
        own.pop_front();
        ++commits;
    }
    void compare(const storage::Root& root) {
        ++versions_compared;
        wrong_ = difference(root, *root.schema, model_);
        for (const auto& [index, living] : model_.living) {
            if (wrong_.empty() && state_->store().entity_versions().count(index) != model_.counts[index]) {
                wrong_ = "the count of changes of index " + std::to_string(index);
            }
        }
        if (!wrong_.empty()) {
            wrong_ += " (version " + std::to_string(root.version) + ')';
        }
    }
    static std::string describe(std::uint64_t serial) {
        return "transaction " + std::to_string(serial & 0xFFFFFFFFU) + " of thread " + std::to_string(serial >> 32U);
    }

    // The writer's.
    storage::WriteBuffer* state_ = nullptr;
    std::vector<Entity> created_;
    std::vector<std::pair<std::uint64_t, std::vector<Entity>>> batch_;

    std::mutex mutex_; // of what follows
    Model model_;
    std::vector<Entity> living_;
    std::set<Entity> given_;
    std::vector<std::deque<std::shared_ptr<Program>>> open_; ///< Of each thread: registered, in order, and not known to have ended.
    std::string wrong_;
};

/// One thread's random transactions.
class Client {
public:
    Client(World& db, Follower& follower, std::uint64_t number, std::uint64_t seed)
        : db_{&db}, follower_{&follower}, random_{seed}, number_{number} {}

    void run(std::uint64_t until_ns) {
        SystemClock clock;
        while (wrong.empty() && clock.monotonic_ns() < until_ns && follower_->wrong().empty()) {
            for (int i = 0; i < 20 && wrong.empty(); ++i) {
                step();
            }
        }
        while (!pending_.empty()) {
            settle();
        }
        // One that must be accepted: whatever was before it has ended.
        auto last = begin(Form::Command);
        if (!submit(last).wait()) {
            wrong = "the last transaction failed";
        }
    }
    std::string wrong;
    std::uint64_t transactions = 0;

private:
    struct Pending {
        std::shared_ptr<Program> program;
        Ticket ticket;
    };

    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    std::shared_ptr<Program> begin(Form form) {
        auto program = std::make_shared<Program>();
        program->serial = number_ << 32U | ++transactions;
        program->form = form;
        return program;
    }
    void add_mark(Program& program) {
        program.edits.push_back({Kind::Update, follower_->beacon, 0, mark_table, row_of(Mark{program.serial})});
    }

    void step() {
        const std::uint64_t choice = below(100);
        const Form form = choice < 55   ? Form::Command
                          : choice < 68 ? Form::Bulk
                          : choice < 78 ? Form::Apply
                          : choice < 90 ? Form::Function
                          : choice < 94 ? Form::CreateMany
                                        : Form::Column;
        auto program = begin(form);
        if (form == Form::Bulk) {
            fill_in_bulk(*program);
        } else if (form == Form::CreateMany) {
            fill_with_many(*program);
        } else if (form != Form::Column) {
            fill(*program, form);
        }
        switch (form) {
        case Form::Command:
        case Form::Bulk:
            pending_.push_back({program, submit(program)});
            while (pending_.size() > 20 || (below(5) == 0 && !pending_.empty())) {
                settle();
            }
            return;
        case Form::Apply:
            apply(program);
            return;
        case Form::Function:
        case Form::CreateMany:
            execute(program);
            return;
        case Form::Column:
            update_column(program);
            return;
        }
    }

    void fill(Program& program, Form form) {
        std::size_t created = 0;
        for (std::uint64_t left = 1 + below(6); left != 0; --left) {
            if (below(follower_->population() < 80 ? 3 : 12) == 0) {
                program.edits.push_back({Kind::Create, {}, 0, 0, nullptr});
                ++created;
                continue;
            }
            Edit edit = random_edit(form);
            if (created != 0 && below(3) != 0) {
                edit.created = 1 + below(created);
            }
            program.edits.push_back(std::move(edit));
        }
        program.gives_up = form == Form::Function && below(4) == 0;
        add_mark(program);
    }
    /// One operation on many.
    void fill_in_bulk(Program& program) {
        const Edit first = random_edit(Form::Bulk);
        for (std::uint64_t left = 1 + below(8); left != 0; --left) {
            program.edits.push_back(first);
            program.edits.back().entity = follower_->somebody(random_());
            if (first.row != nullptr) {
                program.edits.back().row = random_row(first.table);
            }
        }
        add_mark(program);
    }
    void fill_with_many(Program& program) {
        const std::size_t count = 1 + below(70);
        for (std::size_t i = 1; i <= count; ++i) {
            program.edits.push_back({Kind::Create, {}, 0, 0, nullptr});
        }
        for (std::size_t i = 1; i <= count; ++i) {
            program.edits.push_back({Kind::Insert, {}, i, account_table, row_of(Account{static_cast<std::int64_t>(below(1000))})});
            program.edits.push_back({Kind::Insert, {}, i, level_table, row_of(Level{static_cast<std::uint8_t>(below(256))})});
        }
        // Most are destroyed by the same transaction, so that the population stays small.
        for (std::size_t i = 1; i <= count; i += 1 + below(2)) {
            program.edits.push_back({Kind::Destroy, {}, i, 0, nullptr});
        }
        add_mark(program);
    }
    RowBytes random_row(TableId table) { return row_from(db_->schema().table(table).size, below(4)); }
    Edit random_edit(Form form) {
        constexpr TableId tables[] = {0, 1, 1, 1, 2, 2, 3, 5, 5, 6, 7, 7};
        Edit edit;
        edit.entity = follower_->somebody(random_());
        edit.table = below(40) == 0 ? TableId{4} : tables[below(std::size(tables))];
        const std::uint64_t choice = below(100);
        const bool crowded = follower_->population() > 120;
        edit.kind = choice < (crowded ? 20U : 5U) ? Kind::Destroy
                    : choice < 35                 ? Kind::Remove
                    : choice < 42                 ? Kind::Insert
                    : choice < 48                 ? Kind::Update
                    : choice < 54                 ? Kind::UpdatePart
                                                  : Kind::Set;
        const std::uint32_t size = db_->schema().table(edit.table).size;
        if (edit.kind == Kind::UpdatePart && (size == 0 || form == Form::Function || form == Form::Bulk)) {
            edit.kind = Kind::Set;
        }
        if (edit.kind == Kind::UpdatePart) {
            edit.offset = static_cast<std::uint32_t>(below(size));
            edit.row = std::make_shared<std::string>(random_row(edit.table)->substr(0, 1 + below(size - edit.offset)));
        } else if (edit.kind != Kind::Destroy && edit.kind != Kind::Remove) {
            edit.row = random_row(edit.table);
        }
        return edit;
    }

    template <typename Tx>
    static std::vector<Entity> write(const Program& program, Tx& tx) {
        std::vector<Entity> created;
        for (const Edit& edit : program.edits) {
            const Entity entity = edit.created != 0 ? created[edit.created - 1] : edit.entity;
            switch (edit.kind) {
            case Kind::Create:
                created.push_back(tx.create());
                break;
            case Kind::Destroy:
                tx.destroy(entity);
                break;
            case Kind::Insert:
                tx.insert_row(entity, edit.table, span_of(edit.row));
                break;
            case Kind::Update:
                tx.update_row(entity, edit.table, span_of(edit.row));
                break;
            case Kind::Set:
                tx.set_row(entity, edit.table, span_of(edit.row));
                break;
            case Kind::Remove:
                tx.remove_row(entity, edit.table);
                break;
            case Kind::UpdatePart:
                tx.update_part(entity, edit.table, edit.offset, span_of(edit.row));
                break;
            }
        }
        return created;
    }
    void write_in_bulk(const Program& program, World::Transaction& tx) {
        const Edit& first = program.edits.front();
        std::vector<Entity> entities;
        std::vector<std::byte> rows;
        for (auto edit = program.edits.begin(); edit != program.edits.end() - 1; ++edit) {
            entities.push_back(edit->entity);
            if (edit->row != nullptr) {
                rows.insert(rows.end(), span_of(edit->row).begin(), span_of(edit->row).end());
            }
        }
        switch (first.kind) {
        case Kind::Destroy:
            tx.destroy_many(entities);
            break;
        case Kind::Remove:
            tx.remove_rows(entities, first.table);
            break;
        case Kind::Insert:
            tx.insert_rows(entities, first.table, rows);
            break;
        case Kind::Update:
            tx.update_rows(entities, first.table, rows);
            break;
        default:
            tx.set_rows(entities, first.table, rows);
        }
        tx.update_row(follower_->beacon, mark_table, span_of(program.edits.back().row));
    }

    Ticket submit(const std::shared_ptr<Program>& program) {
        if (program->edits.empty()) {
            add_mark(*program);
        }
        follower_->register_program(program);
        auto tx = db_->begin();
        if (program->form == Form::Bulk) {
            write_in_bulk(*program, tx);
        } else {
            write(*program, tx);
        }
        return tx.submit();
    }
    void settle() {
        Pending oldest = std::move(pending_.front());
        pending_.pop_front();
        check(*oldest.program, code_of(oldest.ticket.wait()));
    }
    void check(const Program& program, ErrorCode code) {
        if ((code == success) != program.accepted) {
            wrong = "a caller was told otherwise than what came of its transaction";
        }
        if (code != success && code != ErrorCode::NotFound && code != ErrorCode::AlreadyExists && code != ErrorCode::Aborted) {
            wrong = "a transaction failed with " + std::string{name_of(code)};
        }
    }

    void apply(const std::shared_ptr<Program>& program) {
        follower_->register_program(program);
        auto changes = db_->changes();
        write(*program, changes);
        const Result<std::vector<Entity>> created = db_->apply(changes);
        check(*program, code_of(created));
        if (created && *created != program->created) {
            wrong = "changes returned other ids than those of the new entities";
        }
    }

    void execute(const std::shared_ptr<Program>& program) {
        follower_->register_program(program);
        const Result<void> result = db_->execute([&](World::WriteState& state) -> Result<void> {
            std::vector<Entity> created;
            std::size_t next = 0;
            if (program->form == Form::CreateMany) {
                std::vector<Account> accounts;
                std::vector<Level> levels;
                for (; program->edits[next].kind == Kind::Create || program->edits[next].kind == Kind::Insert; ++next) {
                    const Edit& edit = program->edits[next];
                    program->codes.push_back(success);
                    program->rows.push_back(nullptr);
                    if (edit.kind == Kind::Insert && edit.table == account_table) {
                        accounts.push_back(value_of<Account>(edit.row));
                    } else if (edit.kind == Kind::Insert) {
                        levels.push_back(value_of<Level>(edit.row));
                    }
                }
                const auto count = static_cast<std::uint32_t>(accounts.size());
                const Result<Entity> first = state.create_many(count, std::span<const Level>{levels}, std::span<const Account>{accounts});
                if (!first) {
                    return first.error().clone();
                }
                for (std::uint32_t i = 0; i < count; ++i) {
                    created.emplace_back(first->index() + i, first->generation(), 0U);
                }
            }
            for (; next < program->edits.size(); ++next) {
                const Edit& edit = program->edits[next];
                const Entity entity = edit.created != 0 ? created[edit.created - 1] : edit.entity;
                const std::byte* const row = edit.kind == Kind::Create ? nullptr : state.find_row(entity, edit.table);
                const std::size_t size = db_->schema().table(edit.table).size;
                program->rows.push_back(row == nullptr ? nullptr : std::make_shared<std::string>(reinterpret_cast<const char*>(row), size));
                program->codes.push_back(perform(state, edit, entity, created));
            }
            return program->gives_up ? Result<void>{Error{ErrorCode::Aborted, "gave up"}} : Result<void>{};
        });
        check(*program, code_of(result));
    }
    static ErrorCode perform(World::WriteState& state, const Edit& edit, Entity entity, std::vector<Entity>& created) {
        const std::span<const std::byte> row = edit.row == nullptr ? std::span<const std::byte>{} : span_of(edit.row);
        switch (edit.kind) {
        case Kind::Create: {
            const Result<Entity> made = state.create();
            created.push_back(made ? *made : Entity{});
            return code_of(made);
        }
        case Kind::Destroy:
            return code_of(state.destroy(entity));
        case Kind::Insert:
            return code_of(state.insert_row(entity, edit.table, row));
        case Kind::Update:
            return code_of(state.update_row(entity, edit.table, row));
        case Kind::Remove:
            return code_of(state.remove_row(entity, edit.table));
        default:
            return code_of(state.set_row(entity, edit.table, row));
        }
    }

    void update_column(const std::shared_ptr<Program>& program) {
        follower_->register_program(program);
        const std::uint64_t serial = program->serial;
        const Result<void> updated = db_->update<Account, Mark, const Level>([serial](Account& account, Mark& mark, const Level& level) {
            account.balance = static_cast<std::int64_t>(static_cast<std::uint64_t>(account.balance) * 3 + level.number);
            mark.serial = serial;
        });
        check(*program, code_of(updated));
    }

    World* db_;
    Follower* follower_;
    std::mt19937_64 random_;
    std::uint64_t number_;
    std::deque<Pending> pending_;
};

} // namespace

TEST_CASE("every version that random programs of several threads make on the same entities is what a plain model says",
          "[model][threads]") {
    constexpr std::uint64_t threads = 3;
    const std::uint64_t seed = test_seed("model/shared_program");
    CAPTURE(seed);
    SystemClock clock;
    const std::uint64_t end = clock.monotonic_ns() + test_seconds(5, 60) * 1'000'000'000;
    Follower follower{threads};
    World db = open_db<World>(stepped());
    db.engine().pipeline().writer().join(follower);
    {
        auto first = std::make_shared<Program>();
        first->serial = 0xFFFFFFFFU;
        auto tx = db.begin();
        follower.beacon = tx.create(Account{1}, Level{2}, Mark{first->serial}, Beacon{});
        first->edits = {{Kind::Create, {}, 0, 0, nullptr},
                        {Kind::Insert, {}, 1, account_table, row_of(Account{1})},
                        {Kind::Insert, {}, 1, level_table, row_of(Level{2})},
                        {Kind::Insert, {}, 1, mark_table, row_of(Mark{first->serial})},
                        {Kind::Insert, {}, 1, beacon_table, row_of(Beacon{})}};
        follower.register_program(first);
        REQUIRE(tx.commit());
        REQUIRE(first->accepted);
    }
    std::deque<Client> clients;
    for (std::uint64_t t = 0; t < threads; ++t) {
        clients.emplace_back(db, follower, t, seed + t);
    }
    {
        std::atomic<bool> done{false};
        // Beside the clients, who run the writer's work when they wait.
        std::jthread driver{[&] {
            while (!done) {
                if (!db.step()) {
                    std::this_thread::yield();
                }
            }
        }};
        {
            std::vector<std::jthread> running;
            for (Client& client : clients) {
                running.emplace_back([&] { client.run(end); });
            }
        }
        done = true;
    }
    CHECK(follower.wrong() == "");
    std::uint64_t transactions = 1;
    for (const Client& client : clients) {
        CHECK(client.wrong == "");
        transactions += client.transactions;
    }
    CHECK(follower.commits + follower.failures == transactions);
    CHECK(follower.commits == db.version());
    CHECK(follower.failures * 20 > transactions);
    CHECK(follower.versions_compared > 20);
}

} // namespace ecsdb::test::shared_program_test
