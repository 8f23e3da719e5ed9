#include "report/junit_writer.h"

#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "report/junit_text.h"

#define FLUSH_BYTES    (64 << 10)
#define TEXT_BYTES_MAX (32u << 20) /* one text as it is shown; a detail's are far smaller */

/* The writer of libxml2 escapes; what it has written moves to out now and then. */
struct junit {
    xmlBuffer *buffer;
    xmlTextWriter *writer;
    struct str *out;
    struct err *err;
    enum err_code rc;
    struct str text; /* scratch */
};

static void check(struct junit *j, int written)
{
    if (written < 0 && !j->rc)
        j->rc = err_set(j->err, ERR_INTERNAL, "junit: libxml2 refused a write");
}

/* What libxml2 holds goes to out. */
static void move(struct junit *j)
{
    if (!j->rc)
        j->rc = str_add(j->out, xmlBufferContent(j->buffer), (size_t)xmlBufferLength(j->buffer),
                        j->err);
    xmlBufferEmpty(j->buffer);
}

void junit_flush(struct junit *j)
{
    check(j, xmlTextWriterFlush(j->writer));
    if (xmlBufferLength(j->buffer) >= FLUSH_BYTES)
        move(j);
}

struct junit *junit_open(struct str *out, struct err *err)
{
    struct junit *j = mem_new(1, sizeof(*j));

    j->out = out;
    j->err = err;
    j->text.max = TEXT_BYTES_MAX;
    j->buffer = xmlBufferCreate();
    INVARIANT(j->buffer != NULL); /* out of memory ends the program (mem.h) */
    j->writer = xmlNewTextWriterMemory(j->buffer, 0);
    INVARIANT(j->writer != NULL);
    check(j, xmlTextWriterStartDocument(j->writer, "1.0", "utf-8", NULL));
    return j;
}

enum err_code junit_close(struct junit *j)
{
    enum err_code rc = ERR_NONE;

    check(j, xmlTextWriterEndDocument(j->writer));
    check(j, xmlTextWriterFlush(j->writer));
    move(j);
    rc = j->rc;
    xmlFreeTextWriter(j->writer);
    xmlBufferFree(j->buffer);
    str_fini(&j->text);
    free(j);
    return rc;
}

bool junit_failed(const struct junit *j)
{
    return j->rc != ERR_NONE;
}

struct err *junit_err(struct junit *j)
{
    return j->err;
}

void junit_fail(struct junit *j, enum err_code rc)
{
    if (!j->rc)
        j->rc = rc;
}

void junit_begin(struct junit *j, const char *element)
{
    check(j, xmlTextWriterStartElement(j->writer, (const xmlChar *)element));
}

void junit_end(struct junit *j)
{
    check(j, xmlTextWriterEndElement(j->writer));
}

/* text in scratch, as pytest shows it. */
static const char *shown(struct junit *j, const char *text)
{
    str_clear(&j->text);
    if (!j->rc)
        j->rc = junit_add_text(&j->text, text, j->err);
    return str_text(&j->text);
}

void junit_attribute(struct junit *j, const char *name, const char *value)
{
    check(j, xmlTextWriterWriteAttribute(j->writer, (const xmlChar *)name,
                                         (const xmlChar *)shown(j, value)));
}

void junit_attribute_u32(struct junit *j, const char *name, uint32_t value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    junit_attribute(j, name, text);
}

void junit_attribute_us(struct junit *j, const char *name, uint64_t us)
{
    uint64_t ms = (us + 500) / 1000;
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu.%03u", (unsigned long long)(ms / 1000),
                   (unsigned)(ms % 1000));
    junit_attribute(j, name, text);
}

void junit_body(struct junit *j, const char *text)
{
    check(j, xmlTextWriterWriteString(j->writer, (const xmlChar *)shown(j, text)));
}

void junit_property(struct junit *j, const char *name, const char *value)
{
    junit_begin(j, "property");
    junit_attribute(j, "name", name);
    junit_attribute(j, "value", value);
    junit_end(j);
}
