/* What only the SQLite backend promises: its file, power loss, full disks, damage, copies. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs.h"
#include "mem.h"
#include "store/schema.h"
#include "store/sql.h"
#include "store/store_sqlite.h"

#define KILLED_AFTER 60 /* acknowledged changes before the child is killed */
#define BLOCK_BYTES  20000

struct place {
    char *folder;
    struct str path;
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static int set_up(void **state)
{
    struct place *place = mem_new(1, sizeof(*place));
    struct err err = ERR_INIT;

    place->path.max = PATH_BYTES_MAX;
    OK(fs_tempdir("sqlite", &place->folder, &err));
    OK(str_addf(&place->path, &err, "%s/store.db", place->folder));
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;

    OK(fs_remove_tree(place->folder, &err));
    str_fini(&place->path);
    free(place->folder);
    free(place);
    return 0;
}

static struct store *open_store(const char *path)
{
    struct store *store = NULL;
    struct err err = ERR_INIT;

    OK(store_sqlite_open(path, &store, &err));
    return store;
}

static enum err_code append(struct store *store, uint64_t number, size_t len, struct err *err)
{
    static const char block[BLOCK_BYTES];
    struct store_run row = {
        .id = "r1", .project = "web", .suite = "unit", .run_key = "key", .epoch = 1, .created_ms = 1
    };
    struct store_change change = { .run = "r1", .number = number, .bytes = block, .len = len };

    if (number == 1)
        change.create = &row;
    return store_append(store, &change, 1, err);
}

static enum err_code count_change(void *ctx, uint64_t number, const void *bytes, size_t len,
                                  struct err *err)
{
    uint64_t *last = ctx;

    (void)bytes;
    (void)len;
    (void)err;
    *last = number;
    return ERR_NONE;
}

static uint64_t last_number(struct store *store)
{
    uint64_t last = 0;
    struct err err = ERR_INIT;

    OK(store_load(store, "r1", count_change, &last, &err));
    return last;
}

/* ---- kill -9 ---- */

/* Appends without end and says each number that was acknowledged. */
NORETURN static void append_until_killed(const char *path, int out_fd)
{
    struct err err = ERR_INIT;
    struct store *store = NULL;
    uint32_t number = 0;

    if (store_sqlite_open(path, &store, &err))
        _exit(1);
    do {
        number++;
        if (append(store, number, 3000, &err))
            _exit(2);
    } while (write(out_fd, &number, sizeof(number)) == (ssize_t)sizeof(number));
    _exit(3);
}

/* What was acknowledged before the process was killed in mid-append is there afterwards. */
static void test_sqlite_keeps_what_was_acknowledged_when_killed(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store;
    uint32_t acknowledged = 0;
    uint32_t next = 0;
    int status = 0;
    int fds[2];
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(fds[0]); /* the parent's end */
        append_until_killed(str_text(&place->path), fds[1]);
    }
    (void)close(fds[1]); /* the child's end */
    while (read(fds[0], &next, sizeof(next)) == (ssize_t)sizeof(next)) {
        acknowledged = next;
        if (acknowledged == KILLED_AFTER)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(acknowledged >= KILLED_AFTER);
    store = open_store(str_text(&place->path));
    assert_true(last_number(store) >= acknowledged);
    OK(store_check(store, &err));
    OK(append(store, last_number(store) + 1, 10, &err));
    store_close(store);
}

/* ---- no room ---- */

/* Fills the store until it refuses; nothing that it took is lost, and with room it goes on. */
static void fill_and_go_on(struct store *store, void (*make_room)(struct store *store))
{
    struct err err = ERR_INIT;
    uint64_t taken = 0;
    enum err_code rc;

    do {
        rc = append(store, taken + 1, BLOCK_BYTES, &err);
        if (!rc)
            taken++;
    } while (!rc && taken < 1000);
    assert_int_equal(rc, ERR_DISK_FULL);
    assert_true(taken > 0);
    assert_int_equal(append(store, taken + 1, BLOCK_BYTES, &err), ERR_DISK_FULL);
    assert_int_equal(last_number(store), taken);
    make_room(store);
    OK(append(store, taken + 1, BLOCK_BYTES, &err));
    assert_int_equal(last_number(store), taken + 1);
    OK(store_check(store, &err));
}

static void more_pages(struct store *store)
{
    struct err err = ERR_INIT;

    OK(store_sqlite_limit_pages(store, 10000, &err));
}

static void test_sqlite_says_disk_full_at_its_page_limit(void **state)
{
    struct place *place = *state;
    struct store *store = open_store(str_text(&place->path));
    struct err err = ERR_INIT;

    OK(store_sqlite_limit_pages(store, 80, &err));
    fill_and_go_on(store, more_pages);
    store_close(store);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void no_file_limit(struct store *store)
{
    (void)store;
    limit_file_size(RLIM_INFINITY);
}

/* The system itself refuses the write: the path that a full disk takes. */
static void test_sqlite_says_disk_full_when_a_write_is_refused(void **state)
{
    struct place *place = *state;
    struct store *store = open_store(str_text(&place->path));

    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    limit_file_size(300000);
    fill_and_go_on(store, no_file_limit);
    store_close(store);
}

/* ---- who may open it ---- */

static void test_sqlite_open_refuses_a_second_process(void **state)
{
    struct place *place = *state;
    struct store *store = open_store(str_text(&place->path));
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct store *mine = NULL;
        struct err err = ERR_INIT;

        _exit((int)store_sqlite_open(str_text(&place->path), &mine, &err));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ERR_CONFLICT);
    store_close(store);
}

static enum err_code count_token(void *ctx, const struct store_token *token, struct err *err)
{
    (void)token;
    (void)err;
    (*(int *)ctx)++;
    return ERR_NONE;
}

/* A token that another process makes is good at once. */
struct other {
    struct store *store;
    enum err_code rc;
};

static void *read_setting(void *arg)
{
    struct other *other = arg;
    struct str value = STR_MAX(100);
    struct err err = ERR_INIT;

    other->rc = store_setting_get(other->store, "none", &value, &err);
    str_fini(&value);
    return NULL;
}

static enum err_code read_elsewhere(void *ctx, const struct store_token *token, struct err *err)
{
    struct other *other = ctx;
    pthread_t thread;

    (void)token;
    (void)err;
    INVARIANT(pthread_create(&thread, NULL, read_setting, other) == 0);
    INVARIANT(pthread_join(thread, NULL) == 0);
    return ERR_NONE;
}

/* The loop looks up tokens while another thread is in the middle of a run of many changes: this
 * test hangs when one read waits for the other. */
static void test_sqlite_reads_do_not_wait_for_each_other(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct other other = { .rc = ERR_NONE };
    char hash[HASH_HEX_BYTES];
    struct store_token token = { .hash = hash, .project = "", .label = "" };

    hash_hex("x", 1, hash);
    OK(store_sqlite_open(str_text(&place->path), &other.store, &err));
    OK(store_token_put(other.store, &token, &err));
    OK(store_token_find(other.store, hash, read_elsewhere, &other, &err));
    assert_int_equal(other.rc, ERR_NOT_FOUND);
    store_close(other.store);
}

static void test_sqlite_open_beside_writes_while_another_has_it_open(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = NULL;
    struct store *beside = NULL;
    struct store_token token = {
        .hash = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
        .project = "web",
        .label = "ci",
    };
    int found = 0;

    assert_int_equal(store_sqlite_open_beside(str_text(&place->path), &beside, &err),
                     ERR_NOT_FOUND);
    store = open_store(str_text(&place->path));
    OK(append(store, 1, 10, &err));
    OK(store_sqlite_open_beside(str_text(&place->path), &beside, &err));
    OK(store_token_put(beside, &token, &err));
    OK(store_token_find(store, token.hash, count_token, &found, &err));
    assert_int_equal(found, 1);
    OK(append(store, 2, 10, &err));
    store_close(beside);
    OK(append(store, 3, 10, &err));
    store_close(store);
}

static void set_schema(const char *path, const char *number)
{
    struct store *store = open_store(path);
    struct err err = ERR_INIT;

    OK(store_setting_put(store, SCHEMA_SETTING, number, &err));
    store_close(store);
}

static void test_sqlite_open_refuses_a_newer_schema(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = NULL;

    set_schema(str_text(&place->path), "999");
    assert_int_equal(store_sqlite_open(str_text(&place->path), &store, &err), ERR_VERSION);
    assert_non_null(strstr(err.text, "schema 999"));
    assert_int_equal(store_sqlite_open_beside(str_text(&place->path), &store, &err), ERR_VERSION);
    assert_null(store);
}

static enum err_code count_row(void *ctx, const struct store_estimate *row, struct err *err)
{
    (void)err;
    assert_string_equal(row->id, "a.py::t");
    assert_int_equal(row->est.samples, 3);
    assert_false(row->failed);
    assert_int_equal(row->mem_mib, 0);
    ++*(uint32_t *)ctx;
    return ERR_NONE;
}

/* A file as version 1 of the schema left it is brought up, and keeps what it had. */
static void test_sqlite_open_brings_an_older_schema_up(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_estimate row = {
        .kind = "test", .id = "a.py::t", .est = { .samples = 3 }, .failed = true, .mem_mib = 7
    };
    struct store_fold fold = { .project = "web", .suite = "unit", .rows = &row, .row_count = 1 };
    struct store *store = open_store(str_text(&place->path));
    struct sql *sql = NULL;
    uint32_t rows = 0;

    OK(store_history_fold(store, &fold, &err));
    store_close(store);
    OK(sql_open(str_text(&place->path), SQL_WRITE, &sql, &err));
    OK(sql_exec(sql,
                "ALTER TABLE estimate DROP COLUMN failed;"
                "ALTER TABLE estimate DROP COLUMN mem_mib;"
                "UPDATE setting SET value = '1' WHERE key = '" SCHEMA_SETTING "'",
                &err));
    sql_close(sql);
    store = open_store(str_text(&place->path));
    OK(store_history_load(store, "web", "unit", count_row, &rows, &err));
    assert_int_equal(rows, 1);
    OK(store_history_fold(store, &fold, &err));
    store_close(store);
}

static void test_schema_steps_are_numbered_without_a_gap(void **state)
{
    size_t count = 0;
    const struct schema_step *steps = schema_steps(&count);

    (void)state;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(steps[i].number, i + 1);
}

/* ---- damage ---- */

static void test_sqlite_open_says_that_a_file_is_not_its_own(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = NULL;
    char text[5000];

    memset(text, 'x', sizeof(text));
    OK(fs_replace(str_text(&place->path), text, sizeof(text), FS_PRIVATE, &err));
    assert_int_equal(store_sqlite_open(str_text(&place->path), &store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "not a database of makespand"));
    assert_int_equal(store_sqlite_open("/nonexistent/store.db", &store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
}

/* Overwrites the second half of the file with noise. */
static void damage(const char *path)
{
    struct str bytes = STR_MAX(64 << 20);
    struct err err = ERR_INIT;

    OK(fs_read(path, &bytes, &err));
    for (size_t i = bytes.len / 2; i < bytes.len; i++)
        bytes.at[i] = (char)(i * 7);
    OK(fs_replace(path, bytes.at, bytes.len, FS_PRIVATE, &err));
    str_fini(&bytes);
}

static void test_sqlite_check_says_that_a_file_is_damaged(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = open_store(str_text(&place->path));

    for (uint64_t i = 1; i <= 50; i++)
        OK(append(store, i, 5000, &err));
    store_close(store);
    damage(str_text(&place->path));
    store = open_store(str_text(&place->path));
    assert_int_equal(store_check(store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "the database is damaged"));
    store_close(store);
}

/* Rows that disagree are damage as well, though every page is sound. */
static void test_sqlite_check_finds_a_run_without_all_changes(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = open_store(str_text(&place->path));
    struct sql *sql = NULL;

    for (uint64_t i = 1; i <= 3; i++)
        OK(append(store, i, 10, &err));
    OK(sql_open(str_text(&place->path), SQL_WRITE, &sql, &err));
    OK(sql_exec(sql, "DELETE FROM change WHERE place & 0xffffffff = 2", &err));
    sql_close(sql);
    assert_int_equal(store_check(store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "run without all of its changes: r1"));
    store_close(store);
}

/* ---- copies ---- */

static void test_sqlite_backup_is_a_store_of_its_own(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store *store = open_store(str_text(&place->path));
    struct store *copy;
    struct str path = STR_MAX(PATH_BYTES_MAX);

    OK(str_addf(&path, &err, "%s/copy.db", place->folder));
    for (uint64_t i = 1; i <= 20; i++)
        OK(append(store, i, 5000, &err));
    OK(store_backup(store, str_text(&path), &err));
    OK(append(store, 21, 10, &err));
    assert_int_equal(store_backup(store, str_text(&path), &err), ERR_CONFLICT);
    assert_int_equal(store_backup(store, "/nonexistent/copy.db", &err), ERR_IO);
    store_close(store);
    copy = open_store(str_text(&path));
    OK(store_check(copy, &err));
    assert_int_equal(last_number(copy), 20);
    store_close(copy);
    str_fini(&path);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_sqlite_keeps_what_was_acknowledged_when_killed),
        IN_FOLDER(test_sqlite_says_disk_full_at_its_page_limit),
        IN_FOLDER(test_sqlite_says_disk_full_when_a_write_is_refused),
        IN_FOLDER(test_sqlite_open_refuses_a_second_process),
        IN_FOLDER(test_sqlite_reads_do_not_wait_for_each_other),
        IN_FOLDER(test_sqlite_open_beside_writes_while_another_has_it_open),
        IN_FOLDER(test_sqlite_open_refuses_a_newer_schema),
        IN_FOLDER(test_sqlite_open_brings_an_older_schema_up),
        cmocka_unit_test(test_schema_steps_are_numbered_without_a_gap),
        IN_FOLDER(test_sqlite_open_says_that_a_file_is_not_its_own),
        IN_FOLDER(test_sqlite_check_says_that_a_file_is_damaged),
        IN_FOLDER(test_sqlite_check_finds_a_run_without_all_changes),
        IN_FOLDER(test_sqlite_backup_is_a_store_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
