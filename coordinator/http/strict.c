#include "strict.h"

#include <string.h>
#include <strings.h>

void strict_header(struct strict *s, const char *name, const char *value)
{
    if (!*name || strpbrk(name, " \t"))
        s->bad_name = true;
    if (strcasecmp(name, "Host") == 0)
        s->host_count++;
    if (strcasecmp(name, "Content-Length") == 0) {
        s->length_count++;
        s->length = value;
    }
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        s->coding_count++;
        s->coding = value;
    }
}

enum err_code strict_check(const struct strict *s, struct err *err)
{
    if (s->major != 1)
        return err_set(err, ERR_MALFORMED, "HTTP/%u.%u is not HTTP/1.1", s->major, s->minor);
    if (s->bad_name)
        return err_set(err, ERR_MALFORMED, "a header's name is empty or holds white space");
    if (s->host_count > 1 || (s->host_count == 0 && s->minor >= 1))
        return err_set(err, ERR_MALFORMED, "%u Host headers, not one", s->host_count);
    if (s->length_count > 1)
        return err_set(err, ERR_MALFORMED, "%u Content-Length headers", s->length_count);
    if (s->length && (!*s->length || strspn(s->length, "0123456789") != strlen(s->length)))
        return err_set(err, ERR_MALFORMED, "a Content-Length is not a number");
    if (s->coding_count > 1)
        return err_set(err, ERR_MALFORMED, "%u Transfer-Encoding headers", s->coding_count);
    if (s->coding && strcasecmp(s->coding, "chunked") != 0)
        return err_set(err, ERR_MALFORMED, "a Transfer-Encoding other than chunked");
    if (s->coding && s->length)
        return err_set(err, ERR_MALFORMED, "both Content-Length and Transfer-Encoding");
    if (s->coding && s->minor == 0)
        return err_set(err, ERR_MALFORMED, "Transfer-Encoding in HTTP/1.0");
    if (!s->may_have_body &&
        (s->coding || (s->length && strspn(s->length, "0") != strlen(s->length))))
        return err_set(err, ERR_MALFORMED, "a body where the method has none");
    return ERR_NONE;
}
