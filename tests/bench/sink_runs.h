/* The documents that the sink keeps by id, and what becomes of a write of one. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(struct span text)
{
    uint64_t hash = 14695981039346656037ull;
    for (size_t at = 0; at < text.size; at++) hash = (hash ^ (unsigned char)text.data[at]) * 1099511628211ull;
    return hash ? hash : 1;
}

struct run {
    struct run *next;
    struct buffer id, source;
    unsigned long seq_no, version;
};

static struct run *runs[65536];
static unsigned long last_seq_no;
static pthread_mutex_t runs_lock = PTHREAD_MUTEX_INITIALIZER;

struct result {
    const char *action, *result;
    int status;
    struct span index, id, source; /* source: of an update that asks for it */
    unsigned long seq_no, version;
};

static struct run *run_of(struct span id, int make)
{
    struct run **place = &runs[hash_of(id) % 65536];
    for (struct run *one = *place; one; one = one->next)
        if (one->id.size == id.size && !memcmp(one->id.data, id.data, id.size)) return one;
    if (!make) return NULL;
    struct run *one = calloc(1, sizeof *one);
    append(&one->id, id);
    one->next = *place;
    return *place = one;
}

static void store(struct run *one, struct span source)
{
    struct buffer fresh = {0};
    append(&fresh, source); /* before the old one goes: the source may be a part of it */
    free(one->source.data);
    one->source = fresh;
    one->seq_no = last_seq_no++;
    one->version++;
}

/* Write a run document; ``made`` holds the source that the answer gives. */
static void write_run(struct span action, struct span body, struct result *out, struct buffer *made)
{
    struct span wanted_seq = member(action, "if_seq_no");
    pthread_mutex_lock(&runs_lock);
    struct run *one = run_of(out->id, 0);
    int update = !strcmp(out->action, "update"), there = one != NULL;
    out->status = there ? 200 : 201;
    out->result = there ? "updated" : "created";
    if ((wanted_seq.data && (!there || strtoul(wanted_seq.data, NULL, 10) != one->seq_no)) ||
        (there && !strcmp(out->action, "create"))) {
        out->status = 409;
    } else if (!update) {
        store(one = run_of(out->id, 1), body);
    } else if (there) {
        struct buffer united = {0};
        merge(&united, (struct span){one->source.data, one->source.size}, member(body, "doc"));
        if (united.size == one->source.size && !memcmp(united.data, one->source.data, united.size)) out->result = "noop";
        else store(one, (struct span){united.data, united.size});
        free(united.data);
    } else {
        struct span upsert = member(body, "upsert");
        if (!upsert.data && is_literal(member(body, "doc_as_upsert"), "true")) upsert = member(body, "doc");
        if (upsert.data) store(one = run_of(out->id, 1), upsert);
        else out->status = 404;
    }
    if (out->status < 300) {
        out->seq_no = one->seq_no;
        out->version = one->version;
        if (update) {
            select_source(made, (struct span){one->source.data, one->source.size}, member(body, "_source"));
            out->source = (struct span){made->data, made->size};
        }
    }
    pthread_mutex_unlock(&runs_lock);
}
