/* Just enough JSON for the sink: spans of a text, members of an object, and what an update does to a document. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span { /* a part of a text; no data: it is not there */
    const char *data;
    size_t size;
};

struct buffer {
    char *data;
    size_t size, room;
};

static void reserve(struct buffer *out, size_t more)
{
    if (out->room - out->size >= more) return;
    out->room = (out->size + more) * 2;
    if (!(out->data = realloc(out->data, out->room))) abort();
}

static void append(struct buffer *out, struct span text)
{
    reserve(out, text.size + 1);
    if (text.size) memcpy(out->data + out->size, text.data, text.size);
    out->size += text.size;
}

__attribute__((format(printf, 2, 3))) static void format(struct buffer *out, const char *how, ...)
{
    for (int again = 0; again < 2; again++) {
        va_list parts;
        va_start(parts, how);
        size_t free_bytes = out->room - out->size;
        int size = vsnprintf(out->data ? out->data + out->size : NULL, free_bytes, how, parts);
        va_end(parts);
        if ((size_t)size < free_bytes) {
            out->size += (size_t)size;
            return;
        }
        reserve(out, (size_t)size + 1);
    }
}

static struct span next_line(const char **at, const char *end)
{
    const char *feed = memchr(*at, '\n', (size_t)(end - *at));
    struct span line = {*at, (size_t)((feed ? feed : end) - *at)};
    *at = feed ? feed + 1 : end;
    return line;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == ',' || *at == ':')) at++;
    return at;
}

static int only_blanks(struct span text)
{
    size_t at = 0;
    while (at < text.size && strchr(" \t\r\n", text.data[at])) at++;
    return at == text.size;
}

static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : end;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"') return skip_string(at, end);
    if (at < end && (*at == '{' || *at == '[')) {
        for (int depth = 0; at < end;) {
            if (*at == '"') {
                at = skip_string(at, end);
                continue;
            }
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
            at++;
            if (!depth) break;
        }
        return at;
    }
    while (at < end && !strchr(",}] \r", *at)) at++;
    return at;
}

/* The next member of an object, from ``at`` on; 0 behind the last one.  The key has no quotes. */
static int next_member(const char **at, const char *end, struct span *key, struct span *value)
{
    *at = skip_blanks(*at, end);
    if (*at >= end || **at != '"') return 0;
    const char *after = skip_string(*at, end);
    *key = (struct span){*at + 1, (size_t)(after - *at - 2)};
    after = skip_blanks(after, end);
    *at = skip_value(after, end);
    *value = (struct span){after, (size_t)(*at - after)};
    return 1;
}

static const char *inside(struct span object)
{
    const char *end = object.data + object.size, *at = skip_blanks(object.data, end);
    return at < end && *at == '{' ? at + 1 : end;
}

static struct span member_of(struct span object, struct span wanted)
{
    struct span key, value;
    if (!object.data) return (struct span){0};
    for (const char *at = inside(object); next_member(&at, object.data + object.size, &key, &value);)
        if (key.size == wanted.size && !memcmp(key.data, wanted.data, key.size)) return value;
    return (struct span){0};
}

static struct span member(struct span object, const char *name)
{
    return member_of(object, (struct span){name, strlen(name)});
}

static int is_literal(struct span value, const char *literal)
{
    return value.size == strlen(literal) && !memcmp(value.data, literal, value.size);
}

/* What stands between the quotes of a string. */
static struct span text_of(struct span value)
{
    return value.size >= 2 && *value.data == '"' ? (struct span){value.data + 1, value.size - 2} : (struct span){0};
}

/* The value of an action line's only member; its name is one of ``names``, ``which`` of them. */
static struct span first_member(struct span line, const char **name, const char *const *names, int *which)
{
    struct span key, value;
    const char *at = inside(line);
    if (!next_member(&at, line.data + line.size, &key, &value)) return (struct span){0};
    for (int one = 0; one < 4; one++)
        if (is_literal(key, names[one])) *name = names[one], *which = one;
    return value;
}

static void append_member(struct buffer *out, struct span key, int first)
{
    format(out, first ? "{\"" : ",\"");
    append(out, key);
    format(out, "\":");
}

/* Append object ``into`` with the members of ``from`` over its own, objects within objects likewise. */
static void merge(struct buffer *out, struct span into, struct span from)
{
    struct span key, value;
    int first = 1;
    for (const char *at = inside(into); next_member(&at, into.data + into.size, &key, &value); first = 0) {
        struct span other = member_of(from, key);
        append_member(out, key, first);
        if (other.data && *other.data == '{' && *value.data == '{') merge(out, value, other);
        else append(out, other.data ? other : value);
    }
    if (from.data)
        for (const char *at = inside(from); next_member(&at, from.data + from.size, &key, &value);) {
            if (member_of(into, key).data) continue;
            append_member(out, key, first);
            append(out, value);
            first = 0;
        }
    format(out, first ? "{}" : "}");
}

/* Append what an update asks for of a document: true, or a list of names at its top. */
static void select_source(struct buffer *out, struct span source, struct span wanted)
{
    if (is_literal(wanted, "true")) append(out, source);
    if (!wanted.data || *wanted.data != '[') return;
    int first = 1;
    for (const char *at = wanted.data + 1, *end = wanted.data + wanted.size; at < end;) {
        at = skip_blanks(at, end);
        if (at >= end || *at != '"') break;
        const char *after = skip_string(at, end);
        struct span name = {at + 1, (size_t)(after - at - 2)}, value = member_of(source, name);
        if (value.data) {
            append_member(out, name, first);
            append(out, value);
            first = 0;
        }
        at = after;
    }
    format(out, first ? "{}" : "}");
}

/* A parameter's value up to the next one; decoded in place. */
static struct span percent_decoded(char *text)
{
    char *to = text, *at = text;
    for (; *at && *at != '&'; to++) {
        unsigned code;
        if (*at == '%' && sscanf(at + 1, "%2x", &code) == 1) *to = (char)code, at += 3;
        else *to = *at++;
    }
    return (struct span){text, (size_t)(to - text)};
}
