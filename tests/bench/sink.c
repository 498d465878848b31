/* The counting sink: takes bulk requests on loopback as Elasticsearch does, and keeps no line.
 *
 *   sink --lines N [--delay-ms D] [--keep FILE]
 *
 * It prints its port, and ends with SIGTERM or with its parent.  GET /_sink tells what came (struct tally below).
 * Each line contains its number, "seq-123": the sink notes which of 0 to N-1 it has seen.  Documents of an index whose
 * name begins with neuroflow-runs are kept by id and answer updates, _source and if_seq_no; they count as no lines.
 *
 *   --delay-ms   wait so long before each answer to a bulk request
 *   --keep       write the bulk bodies of lines to this file, unpacked
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sink_json.h"
#include "sink_http.h"
#include "sink_runs.h"

#define MAX_HEAD 65536
#define RUNS "neuroflow-runs"

static struct {
    atomic_ulong documents, doubled, unnumbered, unexpected, conflicts; /* lines */
    atomic_ulong run_writes, run_bytes, run_conflicts;                  /* run documents; bytes of requests */
    atomic_ulong bulks, wire_bytes, body_bytes;                         /* requests; bytes received, and unpacked */
    atomic_ulong first_ns, last_ns;                                     /* CLOCK_MONOTONIC of documents */
    atomic_ulong connections;
} tally;

static unsigned long lines;
static atomic_uchar *seen;
static atomic_ulong *ids;
static unsigned long id_slots;
static long delay_ms;
static FILE *kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (unsigned long)at.tv_sec * 1000000000ul + (unsigned long)at.tv_nsec;
}

/* Whether an id is new; the sink remembers it. */
static int new_id(struct span id)
{
    uint64_t hash = hash_of(id);
    for (unsigned long at = (hash ^ hash >> 29) % id_slots, tried = 0; tried < id_slots; tried++, at = (at + 1) % id_slots) {
        unsigned long there = 0;
        if (atomic_compare_exchange_strong(&ids[at], &there, hash)) return 1;
        if (there == hash) return 0;
    }
    return 1;
}

/* Count a line by the number in it. */
static void count(struct span document)
{
    const char *at = document.data, *end = document.data + document.size;
    while ((at = memmem(at, (size_t)(end - at), "seq-", 4)) && !(at + 4 < end && at[4] >= '0' && at[4] <= '9')) at += 4;
    atomic_fetch_add(&tally.documents, 1);
    if (!at) {
        atomic_fetch_add(&tally.unnumbered, 1);
        return;
    }
    unsigned long number = 0;
    for (at += 4; at < end && *at >= '0' && *at <= '9'; at++) number = number * 10 + (unsigned long)(*at - '0');
    if (number >= lines) {
        atomic_fetch_add(&tally.unexpected, 1);
        return;
    }
    unsigned char bit = (unsigned char)(1 << number % 8);
    if (atomic_fetch_or(&seen[number / 8], bit) & bit) atomic_fetch_add(&tally.doubled, 1);
}

/* --- answers -------------------------------------------------------------------------------------------------- */

static int matches(const char *pattern, size_t size, const char *path)
{
    const char *end = pattern + size;
    while (pattern < end && *path) {
        const char *dot = memchr(pattern, '.', (size_t)(end - pattern)), *other = strchrnul(path, '.');
        size_t length = (size_t)((dot ? dot : end) - pattern);
        if (length == 2 && !memcmp(pattern, "**", 2)) return 1;
        if (!(length == 1 && *pattern == '*') && (length != (size_t)(other - path) || memcmp(pattern, path, length))) return 0;
        pattern = dot ? dot + 1 : end;
        path = *other ? other + 1 : other;
    }
    return 1; /* one is the beginning of the other */
}

/* Whether filter_path leaves the field of a path such as "items.create.status". */
static int leaves(struct span filter, const char *format, ...)
{
    char path[128];
    va_list parts;
    va_start(parts, format);
    vsnprintf(path, sizeof path, format, parts);
    va_end(parts);
    int included = 0, excluded = 0, includes = 0;
    for (const char *at = filter.data, *end = at + filter.size; at && at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (!comma) comma = end;
        if (*at == '-') excluded |= matches(at + 1, (size_t)(comma - at - 1), path);
        else includes = 1, included |= matches(at, (size_t)(comma - at), path);
        at = comma + 1;
    }
    return (included || !includes) && !excluded;
}

enum field { INDEX, ID, VERSION, RESULT, SHARDS, SEQ_NO, TERM, STATUS, ERROR, GET, FIELDS };
static const char *const field_names[FIELDS] = {
    "_index", "_id", "_version", "result", "_shards", "_seq_no", "_primary_term", "status", "error", "get._source"};

/* Append an item of the answer; nothing if filter_path leaves nothing of it. */
static void answer_item(struct buffer *out, const struct result *of, const char *shown, int *items)
{
    size_t began = out->size;
    int refused = of->status >= 300, written = 0;
    format(out, "%s{\"%s\":{", *items ? "," : "", of->action);
    for (int field = 0; field < FIELDS; field++) {
        int of_refusal = field == INDEX || field == ID || field == STATUS || field == ERROR;
        if (!shown[field] || (refused ? !of_refusal : field == ERROR) || (field == GET && !of->source.data)) continue;
        format(out, written++ ? ",\"%s\":" : "\"%s\":", field == GET ? "get" : field_names[field]);
        switch (field) {
        case INDEX: format(out, "\"%.*s\"", (int)of->index.size, of->index.data); break;
        case ID: format(out, "\"%.*s\"", (int)of->id.size, of->id.data); break;
        case VERSION: format(out, "%lu", of->version); break;
        case RESULT: format(out, "\"%s\"", of->result); break;
        case SHARDS: format(out, "{\"total\":1,\"successful\":1,\"failed\":0}"); break;
        case SEQ_NO: format(out, "%lu", of->seq_no); break;
        case TERM: format(out, "1"); break;
        case STATUS: format(out, "%d", of->status); break;
        case ERROR:
            format(out, "{\"type\":\"%s\",\"reason\":\"[%.*s]: %s\"}",
                of->status == 404 ? "document_missing_exception" : "version_conflict_engine_exception",
                (int)of->id.size, of->id.data, of->status == 404 ? "document missing" : "version conflict");
            break;
        case GET:
            format(out, "{\"_source\":");
            append(out, of->source);
            format(out, "}");
        }
    }
    if (!written) out->size = began;
    else format(out, "}}"), ++*items;
}

static const char *const actions[] = {"create", "index", "update", "delete"};

/* Take a bulk request's body; ``index`` is that of its path, ``shown`` what filter_path leaves, action by action. */
static void bulk(struct span body, struct span index, struct span filter, struct buffer *out)
{
    char shown[4][FIELDS];
    for (int action = 0; action < 4; action++)
        for (int field = 0; field < FIELDS; field++)
            shown[action][field] = (char)leaves(filter, "items.%s.%s", actions[action], field_names[field]);
    struct buffer items = {0}, made = {0};
    int count_items = 0, errors = 0, any_line = 0;
    const char *at = body.data, *end = body.data + body.size;
    while (at < end) {
        struct span action = next_line(&at, end), document = {0};
        if (!action.size) continue;
        struct result result = {"create", "created", 201, index, {0}, {0}, 0, 1};
        int kind = 0;
        struct span about = first_member(action, &result.action, actions, &kind);
        if (kind != 3) document = next_line(&at, end);
        struct span named = text_of(member(about, "_index"));
        if (named.data) result.index = named;
        result.id = text_of(member(about, "_id"));
        made.size = 0;
        if (result.index.size >= strlen(RUNS) && !memcmp(result.index.data, RUNS, strlen(RUNS))) {
            write_run(about, document, &result, &made);
            atomic_fetch_add(&tally.run_writes, 1);
            atomic_fetch_add(&tally.run_conflicts, result.status == 409);
            atomic_fetch_add(&tally.run_bytes, action.size + document.size + 2);
        } else {
            any_line = 1;
            if (result.id.data && !new_id(result.id)) {
                result.status = kind == 1 ? 200 : 409;
                atomic_fetch_add(&tally.conflicts, 1);
            } else {
                count(document);
            }
            result.seq_no = atomic_load(&tally.documents);
            if (!result.id.data) result.id = (struct span){"none", 4};
        }
        errors |= result.status >= 300;
        answer_item(&items, &result, shown[kind], &count_items);
    }
    if (any_line) {
        unsigned long at_ns = now_ns(), never = 0;
        atomic_compare_exchange_strong(&tally.first_ns, &never, at_ns);
        atomic_store(&tally.last_ns, at_ns);
        if (kept) {
            pthread_mutex_lock(&kept_lock);
            fwrite(body.data, 1, body.size, kept);
            fflush(kept);
            pthread_mutex_unlock(&kept_lock);
        }
    }
    if (delay_ms) nanosleep(&(struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000}, NULL);
    int some = 0;
    format(out, "{");
    if (leaves(filter, "took")) format(out, "%s\"took\":%ld", some++ ? "," : "", delay_ms);
    if (leaves(filter, "errors")) format(out, "%s\"errors\":%s", some++ ? "," : "", errors ? "true" : "false");
    if (count_items) {
        format(out, "%s\"items\":[", some++ ? "," : "");
        append(out, (struct span){items.data, items.size});
        format(out, "]");
    }
    format(out, "}");
    free(items.data);
    free(made.data);
}

static void tell(struct buffer *out)
{
    unsigned long missing = lines;
    for (unsigned long byte = 0; byte <= lines / 8; byte++) missing -= (unsigned)__builtin_popcount(atomic_load(&seen[byte]));
    format(out, "{\"missing\":%lu", missing);
#define TELL(name) format(out, ",\"" #name "\":%lu", atomic_load(&tally.name))
    TELL(documents); TELL(doubled); TELL(unnumbered); TELL(unexpected); TELL(conflicts);
    TELL(run_writes); TELL(run_bytes); TELL(run_conflicts);
    TELL(bulks); TELL(wire_bytes); TELL(body_bytes); TELL(first_ns); TELL(last_ns); TELL(connections);
    format(out, "}");
}

static int ends(struct span text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && !memcmp(text.data + text.size - size, with, size);
}

static int refuse(int status, const char *reason, struct buffer *out)
{
    const char *kind = status == 404 ? "resource_not_found_exception" : "action_request_validation_exception";
    format(out, "{\"error\":{\"type\":\"%s\",\"reason\":\"%s\"},\"status\":%d}", kind, reason, status);
    return status;
}

/* Answer a request that is not for documents; gives the status. */
static int answer_other(const char *method, struct span path, struct buffer *out)
{
    int is_read = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    if (path.size == 1)
        format(out, "{\"name\":\"sink\",\"cluster_name\":\"sink\",\"cluster_uuid\":\"sink\",\"version\":{\"number\":\"8.19.0\","
                    "\"build_flavor\":\"default\",\"lucene_version\":\"9.12.2\",\"minimum_wire_compatibility_version\":\"7.17.0\","
                    "\"minimum_index_compatibility_version\":\"7.0.0\"},\"tagline\":\"You Know, for Search\"}");
    else if (ends(path, "/_nodes/plugins"))
        format(out, "{\"nodes\":{\"sink\":{\"version\":\"8.19.0\",\"modules\":[{\"name\":\"mapper-extras\"},"
                    "{\"name\":\"constant-keyword\"},{\"name\":\"wildcard\"},{\"name\":\"data-streams\"}]}}}");
    else if (ends(path, "/_cluster/health")) format(out, "{\"status\":\"green\",\"number_of_nodes\":1}");
    else if (ends(path, "/_license")) format(out, "{\"license\":{\"status\":\"active\",\"type\":\"basic\",\"uid\":\"sink\"}}");
    else if (ends(path, "/_cat/health")) format(out, "1 1 sink green\n");
    else if (ends(path, "/_refresh")) format(out, "{\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0}}");
    else if (ends(path, "/_settings") && path.size > strlen(RUNS) && !memcmp(path.data + 1, RUNS, strlen(RUNS)))
        format(out, "{\"%.*s\":{\"settings\":{\"index\":{\"uuid\":\"sink\"}}}}", (int)(path.size - 11), path.data + 1);
    else if (!is_read) format(out, "{\"acknowledged\":true}");
    else return refuse(404, "the sink keeps none", out);
    return 200;
}

/* --- HTTP ----------------------------------------------------------------------------------------------------- */

static void *serve(void *given)
{
    int socket = (int)(intptr_t)given;
    struct buffer in = {0}, body = {0}, plain = {0}, out = {0};
    z_stream stream = {0};
    inflateInit2(&stream, 15 + 32);
    char head[MAX_HEAD];
    for (;;) {
        char *blank;
        while (!(blank = in.size ? memmem(in.data, in.size, "\r\n\r\n", 4) : NULL))
            if (in.size > MAX_HEAD - 8 || !fill(socket, &in)) goto over;
        size_t used = (size_t)(blank + 4 - in.data);
        if (used >= MAX_HEAD) goto over;
        memcpy(head, in.data, used);
        head[used] = 0;
        char method[16] = "", target[4096] = "";
        if (sscanf(head, "%15s %4095s", method, target) != 2) goto over;
        if (header(head, "Expect") && write(socket, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25) goto over;
        body.size = out.size = 0;
        if (!(used = read_body(socket, &in, used, head, &body))) goto over;
        char *query = strchr(target, '?');
        if (query) *query++ = 0;
        for (size_t size = strlen(target); size > 1 && target[size - 1] == '/';) target[--size] = 0;
        struct span path = {target, strlen(target)}, text = {body.data, body.size}, filter = {0}, index = {0};
        int status = 200;
        const char *coding = header(head, "Content-Encoding");
        if (coding && !strncasecmp(coding, "gzip", 4)) {
            if (!unpack(&stream, &body, &plain)) goto over;
            text = (struct span){plain.data, plain.size};
        }
        if (!strcmp(target, "/_sink")) {
            tell(&out);
        } else {
            atomic_fetch_add(&tally.wire_bytes, used);
            atomic_fetch_add(&tally.body_bytes, text.size);
            if (ends(path, "/_bulk")) {
                atomic_fetch_add(&tally.bulks, 1);
                char *wanted = query ? strstr(query, "filter_path=") : NULL;
                if (wanted) filter = percent_decoded(wanted + strlen("filter_path="));
                if (path.size > 6) index = (struct span){path.data + 1, path.size - 7};
                if (only_blanks(text)) status = refuse(400, "no requests added", &out);
                else bulk(text, index, filter, &out);
            } else {
                status = answer_other(method, path, &out);
            }
        }
        if (!send_answer(socket, status, &out, strcmp(method, "HEAD") != 0)) goto over;
        memmove(in.data, in.data + used, in.size -= used);
    }
over:
    close(socket);
    inflateEnd(&stream);
    free(in.data), free(body.data), free(plain.data), free(out.data);
    return NULL;
}

int main(int argc, char **argv)
{
    for (int at = 1; at + 1 < argc; at += 2) {
        if (!strcmp(argv[at], "--lines")) lines = strtoul(argv[at + 1], NULL, 10);
        else if (!strcmp(argv[at], "--delay-ms")) delay_ms = strtol(argv[at + 1], NULL, 10);
        else if (!strcmp(argv[at], "--keep")) kept = fopen(argv[at + 1], "w");
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    seen = calloc(lines / 8 + 1, 1);
    id_slots = 4 * lines + 1024;
    ids = calloc(id_slots, sizeof *ids);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (!seen || !ids || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 128) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("sink");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int socket = accept(listener, NULL, NULL);
        if (socket < 0) continue;
        pthread_t thread;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        atomic_fetch_add(&tally.connections, 1);
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)socket)) close(socket);
        else pthread_detach(thread);
    }
}
