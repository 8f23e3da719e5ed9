/* makespan doctor: one screen that says what is in the way, if anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "mem.h"
#include "net/http_date.h"
#include "reading.h"
#include "supervise/local.h"

#define CHECKS_MAX   24u
#define DETAIL_BYTES 1200u
#define SKEW_S_MAX   60u
#define PATH_BYTES   8192u
#define NAME_COLUMNS 10

/* NOTE is worth reading and no trouble. */
enum check_result { CHECK_GOOD, CHECK_BAD, CHECK_NOTE };

struct check {
    const char *name;
    enum check_result result;
    char detail[DETAIL_BYTES];
};

struct doctor {
    struct check checks[CHECKS_MAX];
    size_t count;
    struct err first; /* trouble */
};

PRINTF_LIKE(4, 5)
static void note(struct doctor *d, enum check_result result, const char *name, const char *fmt, ...)
{
    struct check *c = &d->checks[d->count++];
    va_list ap;

    INVARIANT(d->count <= CHECKS_MAX);
    c->name = name;
    c->result = result;
    va_start(ap, fmt);
    (void)vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
    va_end(ap);
}

static void bad(struct doctor *d, const char *name, const struct err *err)
{
    note(d, CHECK_BAD, name, "%s", err->text);
    if (!d->first.code)
        d->first = *err;
}

static unsigned long long ms_between(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? (unsigned long long)((to_us - from_us) / 1000) : 0;
}

/* How far a connection came, and where it stopped. */
static void check_way(struct doctor *d, const struct target *t, const struct ask_probe *p,
                      const struct err *err)
{
    const char *proof = t->pin       ? "the pinned key"
                        : t->ca_file ? t->ca_file
                                     : "the system's authorities";

    /* A refused identity says that the way there is good, whatever the clock of the transfer says.
     */
    bool connected = p->connect_us || err->code == ERR_TLS;

    if (p->dns_us || connected)
        note(d, CHECK_GOOD, "dns", "%s found in %llu ms", p->address[0] ? p->address : t->url,
             ms_between(0, p->dns_us));
    else {
        bad(d, "dns", err);
        return;
    }
    if (!connected) {
        bad(d, "tcp", err);
        return;
    }
    note(d, CHECK_GOOD, "tcp", "connected in %llu ms", ms_between(p->dns_us, p->connect_us));
    if (!p->tls_us || err->code == ERR_TLS) {
        bad(d, "tls", err);
        return;
    }
    note(d, CHECK_GOOD, "tls", "proved by %s in %llu ms", proof,
         ms_between(p->connect_us, p->tls_us));
    if (err->code)
        bad(d, "answer", err);
    else
        note(d, CHECK_GOOD, "answer", "status %u in %llu ms", p->status,
             ms_between(p->tls_us, p->total_us));
}

static void check_clock(struct doctor *d, const char *date)
{
    uint64_t theirs_s = 0;
    uint64_t ours_s = clock_wall_ms(clock_system()) / 1000;
    uint64_t skew_s;
    struct err err = ERR_INIT;

    if (http_date_parse(date, &theirs_s, &err)) {
        note(d, CHECK_NOTE, "clock", "the answer had no date to compare with");
        return;
    }
    skew_s = ours_s > theirs_s ? ours_s - theirs_s : theirs_s - ours_s;
    if (skew_s <= SKEW_S_MAX) {
        note(d, CHECK_GOOD, "clock", "%llu s apart", (unsigned long long)skew_s);
        return;
    }
    err_set(&err, ERR_INVALID, "this clock is %llu s %s the coordinator's",
            (unsigned long long)skew_s, ours_s > theirs_s ? "ahead of" : "behind");
    bad(d, "clock", &err);
}

static void check_version(struct doctor *d, const struct str *body)
{
    struct json *doc = NULL;
    const char *version = NULL;
    struct err err = ERR_INIT;

    if (json_parse(str_text(body), body->len, &doc, &err))
        note(d, CHECK_NOTE, "version",
             "ours is " MAKESPAN_VERSION "; what answers is no coordinator");
    else if (!json_is_object(doc) || json_opt_text(doc, "version", 64, &version, &err) || !version)
        note(d, CHECK_NOTE, "version",
             "ours is " MAKESPAN_VERSION "; the coordinator does not tell");
    else
        note(d, strcmp(version, MAKESPAN_VERSION) == 0 ? CHECK_GOOD : CHECK_NOTE, "version",
             "ours is " MAKESPAN_VERSION ", the coordinator's is %s", version);
    if (doc)
        json_free(doc);
}

static void check_token(struct doctor *d, struct ask *ask, const struct target *t)
{
    struct str path = STR_MAX(PATH_BYTES);
    struct ask_probe p = { 0 };
    char *project = transport_escape(t->project);
    struct err err = ERR_INIT;
    enum err_code rc = str_addf(&path, &err, "/v1/runs?project=%s", project);

    if (!rc)
        rc = ask_probe(ask, path.at, ASK_TOKEN, &p, &err);
    if (rc)
        bad(d, "token", &err);
    else
        note(d, CHECK_GOOD, "token", "accepted for project %s", t->project);
    str_fini(&p.body);
    str_fini(&path);
    free(project);
}

static void check_history(struct doctor *d, struct ask *ask, const struct target *t)
{
    struct str path = STR_MAX(PATH_BYTES);
    struct ask_probe p = { 0 };
    struct json *doc = NULL;
    struct err err = ERR_INIT;
    enum err_code rc = reading_suite_path(t, "/durations", &path, &err);

    if (!rc)
        rc = ask_probe(ask, path.at, ASK_TOKEN, &p, &err);
    if (!rc)
        rc = json_parse(str_text(&p.body), p.body.len, &doc, &err);
    if (rc == ERR_NOT_FOUND || (!rc && json_size(doc) == 0))
        note(d, CHECK_NOTE, "history", "none for suite %s yet: the first run plans without",
             t->suite);
    else if (rc)
        bad(d, "history", &err);
    else
        note(d, CHECK_GOOD, "history", "%zu tests of suite %s", json_size(doc), t->suite);
    if (doc)
        json_free(doc);
    str_fini(&p.body);
    str_fini(&path);
}

/* What a run would say of itself; command: the words after "--". */
static void check_run(struct doctor *d, const struct target *t, int argc, char *const *argv)
{
    char digest[HASH_HEX_BYTES];
    char *made = NULL;

    note(d, CHECK_GOOD, "ci", "%s; project %s, suite %s",
         t->ci.name ? t->ci.name : "none that is known", t->project, t->suite);
    if (t->total && t->index != PROTO_SLOT_NONE)
        note(d, CHECK_GOOD, "slot", "index %u of %u", t->index, t->total);
    else if (t->total > 1)
        note(d, CHECK_NOTE, "slot", "one of %u; which one is not known: pass --index", t->total);
    else
        note(d, CHECK_NOTE, "slot",
             "unknown: without --index and --total a machine that never comes is not missed");
    if (argc > 0) {
        options_command_digest(argc, argv, digest);
        made = ci_run_key(&t->ci, t->suite, digest);
    }
    if (t->run_key)
        note(d, CHECK_GOOD, "run key", "%s", t->run_key);
    else if (made)
        note(d, CHECK_GOOD, "run key", "%s", made);
    else if (t->run_prefix)
        note(d, CHECK_NOTE, "run key", "%s...; give the command after -- to see all of it",
             t->run_prefix);
    else
        note(d, CHECK_NOTE, "run key", "none: outside of a CI pass --run-key to makespan run");
    free(made);
}

/* What tests of this folder would find on this machine. */
static void check_machine(struct doctor *d)
{
    struct local local = LOCAL_INIT;
    struct str text = STR_MAX(DETAIL_BYTES - 1);
    struct crew_input in;
    struct crew crew;
    struct err err = ERR_INIT;
    const char *threads = getenv("OMP_NUM_THREADS");

    if (local_check(&local, &err)) {
        bad(d, "workers", &err);
        local_fini(&local);
        return;
    }
    local_crew(&local, false, 0, &in);
    if (in.source == CREW_ASSUMED)
        in.worker_bytes = 0; /* the usual assumption */
    crew_plan(&in, &crew);
    crew_text(&in, &crew, &text);
    note(d, crew.bound == CREW_BY_CPUS ? CHECK_GOOD : CHECK_NOTE, "workers", "%s", text.at);
    if (threads)
        note(d, CHECK_GOOD, "threads", "OMP_NUM_THREADS=%s stands", threads);
    else
        note(d, CHECK_GOOD, "threads", "%u for each worker's OMP_NUM_THREADS and kin",
             crew_threads(crew.cpus, crew.workers));
    if (local.machine.memory_total > 0)
        note(d, CHECK_GOOD, "memory", "%llu of %llu MiB free%s",
             (unsigned long long)(local.machine.memory_free >> 20),
             (unsigned long long)(local.machine.memory_total >> 20),
             local.machine.memory_of_group ? ", in a control group" : "");
    str_fini(&text);
    local_fini(&local);
}

static void examine(struct doctor *d, struct reading *r, int argc, char *const *argv)
{
    struct ask_probe p = { 0 };
    struct err err = ERR_INIT;
    bool answered = r->ask && !ask_probe(r->ask, "/healthz", ASK_ANONYMOUS, &p, &err);

    if (r->ask)
        check_way(d, &r->target, &p, &err);
    else
        note(d, CHECK_NOTE, "server", "none is named (MAKESPAN_URL): tests run on this machine");
    if (answered) {
        check_version(d, &p.body);
        check_clock(d, p.date);
        check_token(d, r->ask, &r->target);
        check_history(d, r->ask, &r->target);
    }
    check_run(d, &r->target, argc - r->rest, argv + r->rest);
    check_machine(d);
    str_fini(&p.body);
}

static const char *mark(enum check_result result, bool plain)
{
    switch (result) {
    case CHECK_GOOD:
        return plain ? "ok  " : "\xe2\x9c\x93";
    case CHECK_BAD:
        return plain ? "FAIL" : "\xe2\x9c\x97";
    case CHECK_NOTE:
        return plain ? "note" : "-";
    }
    UNREACHABLE("check result");
}

static void print_text(const struct doctor *d)
{
    const char *no_color = getenv("NO_COLOR");
    bool plain = !isatty(STDOUT_FILENO) || (no_color && *no_color);

    for (size_t i = 0; i < d->count; i++)
        printf("%s %-*s %s\n", mark(d->checks[i].result, plain), NAME_COLUMNS, d->checks[i].name,
               d->checks[i].detail);
}

static void print_json(const struct doctor *d)
{
    static const char *const words[] = { "good", "bad", "note" };
    struct json *doc = json_new_object();
    struct json *list = json_new_array();
    char *text;

    for (size_t i = 0; i < d->count; i++) {
        struct json *check = json_new_object();

        json_set_text(check, "name", d->checks[i].name);
        json_set_text(check, "result", words[d->checks[i].result]);
        json_set_text(check, "detail", d->checks[i].detail);
        json_append(list, check);
    }
    json_set(doc, "checks", list);
    text = json_dump(doc, JSON_PRETTY);
    printf("%s\n", text);
    free(text);
    json_free(doc);
}

enum err_code command_doctor(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    const struct reading_opts opts = {
        .usage = "makespan doctor [OPTIONS] [-- COMMAND...]",
        .about =
            "Checks the way to the coordinator step by step, the token, the clock and the "
            "history, and shows what this machine would say of itself and how many workers it is "
            "good for. With the runner's command it also shows the run key.",
        .tail = "Exit status: 0, or that of the first trouble, which is said again at the end.\n",
        .groups = OPTIONS_SERVER | OPTIONS_RUN | OPTIONS_SLOT | OPTIONS_OUTPUT,
        .rest = true,
        .alone = true,
    };
    struct reading r;
    struct doctor *d = mem_new(1, sizeof(*d));
    enum err_code rc = reading_open(&r, &opts, argc, argv, err);

    if (rc || r.help)
        goto out;
    examine(d, &r, argc, argv);
    if (r.target.output_json)
        print_json(d);
    else
        print_text(d);
    if (d->first.code) {
        *err = d->first;
        rc = d->first.code;
    } else {
        *out_exit = EXIT_OK;
    }
out:
    reading_fini(&r);
    free(d);
    return rc;
}
