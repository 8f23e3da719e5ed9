/* supervise_crash.c - a worker that died: what is known of it, and who is told. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs.h"
#include "json.h"
#include "mem.h"
#include "supervise_inner.h"

#define TAIL_BYTES_MAX (16u << 10)

/* The end of a file in the private folder, as text. */
static void add_tail(const struct supervisor *s, uint32_t number, const char *suffix,
                     struct str *out)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    char tail[TAIL_BYTES_MAX];
    struct stat st;
    ssize_t got = 0;
    int fd = -1;

    if (str_addf(&path, &ignored, "%s/gw%u.%s", s->folder, number, suffix) == ERR_NONE)
        fd = open(str_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t from = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;

        got = pread(fd, tail, sizeof(tail), from);
    }
    if (got > 0 && str_addf(out, &ignored, "--- %s ---\n", suffix) == ERR_NONE)
        (void)!str_add(out, tail, (size_t)got, &ignored);
    fd_close(&fd);
    str_fini(&path);
}

static const char *signal_name(int sig)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        { SIGSEGV, "SIGSEGV" }, { SIGABRT, "SIGABRT" }, { SIGKILL, "SIGKILL" },
        { SIGBUS, "SIGBUS" },   { SIGFPE, "SIGFPE" },   { SIGILL, "SIGILL" },
        { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" },   { SIGHUP, "SIGHUP" },
        { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGXCPU, "SIGXCPU" },
        { SIGSYS, "SIGSYS" },   { SIGTRAP, "SIGTRAP" }, { SIGQUIT, "SIGQUIT" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].number == sig)
            return names[i].name;
    }
    return "a signal";
}

static void describe_end(const struct slot *slot, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (!slot->exited)
        (void)!str_addz(out, "its end was not seen", &ignored);
    else if (WIFSIGNALED(slot->status))
        (void)!str_addf(out, &ignored, "killed by %s (%d)", signal_name(WTERMSIG(slot->status)),
                        WTERMSIG(slot->status));
    else
        (void)!str_addf(out, &ignored, "exit status %d", WEXITSTATUS(slot->status));
    if (slot->exited && slot->usage.max_rss_kib > 0)
        (void)!str_addf(out, &ignored, ", at most %llu MiB of memory",
                        (unsigned long long)(slot->usage.max_rss_kib / 1024));
}

static void send_crash(struct supervisor *s, const struct slot *slot, uint32_t test,
                       uint32_t number, const char *text, const char *output)
{
    struct json *doc = json_new_object();
    char *dump;

    if (test != WORKER_NO_TEST) {
        json_set_text(doc, "id", s->manifest->tests[test].id);
        json_set_u64(doc, "k", s->manifest->tests[test].k);
    }
    if (slot->exited && WIFSIGNALED(slot->status))
        json_set_u64(doc, "signal", (uint64_t)WTERMSIG(slot->status));
    else if (slot->exited)
        json_set_u64(doc, "status", (uint64_t)WEXITSTATUS(slot->status));
    json_set_text(doc, "text", text);
    json_set_text(doc, "output", output);
    dump = json_dump(doc, JSON_TIGHT);
    tell(s->reporter, FRAME_CRASH, test, number, dump);
    free(dump);
    json_free(doc);
}

void worker_crashed(struct supervisor *s, uint32_t number, uint32_t test)
{
    struct slot *slot = slot_at(s, number);
    struct str text = STR_MAX(MANIFEST_ID_BYTES_MAX + 512), output = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (test != WORKER_NO_TEST)
        (void)!str_addf(&text, &ignored, "worker 'gw%u' crashed while running '%s': ", number,
                        s->manifest->tests[test].id);
    else
        (void)!str_addf(&text, &ignored, "worker 'gw%u' crashed between tests: ", number);
    describe_end(slot, &text);
    add_tail(s, number, "out", &output);
    add_tail(s, number, "err", &output);
    add_tail(s, number, "log", &output);
    s->report.crashed++;
    send_crash(s, slot, test, number, str_text(&text), str_text(&output));
    if (test != WORKER_NO_TEST) {
        uint64_t took_us = now_us(s) - slot->started_us;
        struct result result = { .worker = number,
                                 .outcome = OUTCOME_CRASHED,
                                 .call_us = took_us,
                                 .started_ms = (slot->started_us - s->joined_us) / 1000,
                                 .detail = mem_new(1, sizeof(*result.detail)) };

        result.detail->when = mem_strdup("call");
        result.detail->message = mem_strdup(str_text(&text));
        result.detail->text = mem_strdup(str_text(&text));
        result.detail->out = mem_strdup(str_text(&output));
        s->report.finished++;
        s->took_us[test] = took_us;
        s->last_us = now_us(s);
        deliver(s, test, &result);
    } else {
        report_error(s, "worker-died", str_text(&text));
    }
    tell(s->reporter, FRAME_DOWN, number, 1, str_text(&text));
    str_fini(&text);
    str_fini(&output);
}
