/* libcurl.h - libcurl, loaded when the first request is near.
 *
 * Linked in, it would bring thirty libraries along, 4 MB, into every agent: also into one that runs
 * tests for this machine alone, where it is not needed and need not be installed. Not for: what is
 * done with it (transport.h). */
#pragma once

#include <curl/curl.h>

#include "err.h"

#define LIBCURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(global_cleanup)                                                                              \
    X(global_init)                                                                                 \
    X(multi_add_handle)                                                                            \
    X(multi_assign)                                                                                \
    X(multi_cleanup)                                                                               \
    X(multi_info_read)                                                                             \
    X(multi_init)                                                                                  \
    X(multi_remove_handle)                                                                         \
    X(multi_setopt)                                                                                \
    X(multi_socket_action)                                                                         \
    X(slist_append)                                                                                \
    X(slist_free_all)

#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;

/* Its functions, by their names without "curl_". */
struct libcurl {
    LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
};

/* ERR_UNREACHABLE where it is not installed, or lacks one of these. It stays loaded. */
MUST_USE enum err_code libcurl_load(struct libcurl *out, struct err *err);
