/* GET report?format=json|junit: every test of the run with its outcome. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "resources.h"

void api_report(struct api_request *r)
{
    enum report_form form = REPORT_JSON;
    char *format = NULL;
    struct err err = ERR_INIT;

    if (!query_opt_text(http_call_query(r->call), "format", &format, &err) && format) {
        if (strcmp(format, "junit") == 0)
            form = REPORT_JUNIT;
        else if (strcmp(format, "json") != 0)
            (void)err_set(&err, ERR_INVALID, "format '%s' is not json or junit", format);
    }
    free(format);
    if (err.code) {
        api_fail(r, &err);
        return;
    }
    r->type = form == REPORT_JUNIT ? "application/xml" : r->type;
    service_report(r->api->service, r->bearer, r->match.params[0], form, api_reply_to(r));
}

char *api_report_encode(const union answer *answer)
{
    return str_take(answer->text);
}
