#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "fs.h"
#include "supervise/link.h"

#define KEY "0123456789abcdef0123456789abcdef"

struct fixture {
    char folder[32];
    char path[64];
    struct event_base *base;
    struct link *link;
    struct peer *peer;
    enum frame_kind heard;
    bool closed, calm;
    int deaf;       /* errno */
    uint32_t beats; /* how often it was asked for calm */
};

static bool on_joined(void *ctx, struct peer *peer, const struct hello *hello)
{
    struct fixture *f = ctx;

    (void)hello;
    f->peer = peer;
    return true;
}

static void on_frame(void *ctx, struct peer *peer, const struct frame *frame)
{
    struct fixture *f = ctx;

    (void)peer;
    f->heard = frame->kind;
}

static bool may_rest(void *ctx, const struct peer *peer)
{
    struct fixture *f = ctx;

    (void)peer;
    f->beats++;
    return f->calm;
}

static void on_closed(void *ctx, struct peer *peer, const char *why)
{
    struct fixture *f = ctx;

    (void)peer;
    assert_null(why);
    f->closed = true;
}

static void on_refused(void *ctx, const char *why)
{
    (void)ctx;
    fail_msg("refused: %s", why);
}

static void on_deaf(void *ctx, int errnum)
{
    struct fixture *f = ctx;

    f->deaf = errnum;
}

static const struct link_events events = {
    .joined = on_joined,
    .frame = on_frame,
    .may_rest = may_rest,
    .closed = on_closed,
    .refused = on_refused,
    .deaf = on_deaf,
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct link_opts opts = { .path = f->path, .key = KEY, .events = &events, .ctx = f };
    struct err err = ERR_INIT;

    (void)signal(SIGPIPE, SIG_IGN); /* as in the agent */
    memcpy(f->folder, "/tmp/msp-test.XXXXXX", sizeof("/tmp/msp-test.XXXXXX"));
    if (!mkdtemp(f->folder))
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/link", f->folder);
    f->base = opts.base = event_base_new();
    *state = f;
    return link_new(&opts, &f->link, &err) ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    link_free(f->link);
    event_base_free(f->base);
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    test_free(f);
    return 0;
}

static void say(int fd, const struct frame *frame)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_header_encode(frame, header);
    assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
    assert_int_equal(write(fd, frame->payload, frame->size), frame->size);
}

static int connected(const struct fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, f->path, strlen(f->path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int joined_worker(struct fixture *f)
{
    static const char hello[] =
        "{\"version\":1,\"key\":\"" KEY "\",\"pid\":1,\"numprocesses\":\"auto\"}";
    int fd = connected(f);

    say(fd,
        &(struct frame){
            .kind = FRAME_HELLO, .a = ROLE_WORKER, .size = sizeof(hello) - 1, .payload = hello });
    while (!f->peer)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    return fd;
}

/* What it does not hear any more, because it has gone, must not cost what it had said. */
static void test_link_hears_all_that_was_said_when_it_writes_to_who_has_gone(void **state)
{
    struct fixture *f = *state;
    int fd = joined_worker(f);

    say(fd, &(struct frame){ .kind = FRAME_BYE, .payload = "" });
    assert_int_equal(close(fd), 0);
    peer_send(f->peer, &(struct frame){ .kind = FRAME_NONE, .payload = "" });
    while (!f->closed)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_int_equal(f->heard, FRAME_BYE);
}

/* Who needs no answer is read on the beat: all that it said meanwhile, and its end. */
static void test_link_lets_who_may_rest_gather_its_words(void **state)
{
    struct fixture *f = *state;
    int fd = joined_worker(f);

    f->calm = true;
    say(fd, &(struct frame){ .kind = FRAME_START, .payload = "" });
    while (f->heard != FRAME_START)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    say(fd, &(struct frame){ .kind = FRAME_DONE, .payload = "" });
    say(fd, &(struct frame){ .kind = FRAME_BYE, .payload = "" });
    assert_int_equal(close(fd), 0);
    f->beats = 0;
    while (!f->closed)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_int_equal(f->heard, FRAME_BYE);
    assert_int_equal(f->beats, 1); /* both words at once */
}

/* No descriptor for a moment: who wants to connect waits for it. For good: that is told, once. */
static void test_link_waits_for_a_descriptor_but_not_for_ever(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, none = { 0 };
    int first = connected(f), second;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0); /* accept fails */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    f->peer = NULL;
    assert_int_equal(close(joined_worker(f)), 0);
    assert_int_equal(f->deaf, 0);

    second = connected(f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (f->deaf == 0)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(f->deaf, EMFILE);
    assert_int_equal(close(first) + close(second), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_link_hears_all_that_was_said_when_it_writes_to_who_has_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link_waits_for_a_descriptor_but_not_for_ever, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_link_lets_who_may_rest_gather_its_words, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("agent/link", tests, NULL, NULL);
}
