/* Just enough HTTP for the sink: heads, bodies of a known length or in chunks, gzip. */
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

static size_t fill(int socket, struct buffer *in)
{
    reserve(in, 1 << 18);
    ssize_t got = read(socket, in->data + in->size, in->room - in->size);
    if (got <= 0) return 0;
    in->size += (size_t)got;
    return (size_t)got;
}

/* The value of a header, which ends with a line feed; nothing if there is none. */
static const char *header(const char *head, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = head; (at = strstr(at, "\r\n")); at += 2)
        if (!strncasecmp(at + 2, name, size) && at[2 + size] == ':') return at + 3 + size + strspn(at + 3 + size, " ");
    return NULL;
}

/* Read a body; ``in`` holds ``used`` bytes of head before it.  Gives the bytes used altogether, 0 at the connection's end. */
static size_t read_body(int socket, struct buffer *in, size_t used, const char *head, struct buffer *body)
{
    const char *length = header(head, "Content-Length"), *coding = header(head, "Transfer-Encoding");
    if (coding && !strncasecmp(coding, "chunked", 7)) {
        for (;;) {
            char *line;
            while (!(line = memmem(in->data + used, in->size - used, "\r\n", 2)))
                if (!fill(socket, in)) return 0;
            size_t size = strtoul(in->data + used, NULL, 16);
            used = (size_t)(line + 2 - in->data);
            while (in->size < used + size + 2)
                if (!fill(socket, in)) return 0;
            append(body, (struct span){in->data + used, size});
            used += size + 2;
            if (!size) return used;
        }
    }
    size_t size = length ? strtoul(length, NULL, 10) : 0;
    while (in->size < used + size)
        if (!fill(socket, in)) return 0;
    append(body, (struct span){in->data + used, size});
    return used + size;
}

static int unpack(z_stream *stream, struct buffer *body, struct buffer *plain)
{
    inflateReset(stream);
    plain->size = 0;
    stream->next_in = (unsigned char *)body->data;
    stream->avail_in = (unsigned)body->size;
    for (int done = Z_OK; done == Z_OK;) {
        reserve(plain, 1 << 20);
        stream->next_out = (unsigned char *)plain->data + plain->size;
        stream->avail_out = (unsigned)(plain->room - plain->size);
        done = inflate(stream, Z_NO_FLUSH);
        plain->size = plain->room - stream->avail_out;
        if (done == Z_STREAM_END) return 1;
    }
    return 0;
}

/* Send an answer; 0 if the other side is gone. */
static int send_answer(int socket, int status, struct buffer *body, int with_body)
{
    char head[256];
    int size = snprintf(head, sizeof head,
        "HTTP/1.1 %d %s\r\nX-elastic-product: Elasticsearch\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        status, status == 200 ? "OK" : "Refused", body->size);
    struct iovec parts[2] = {{head, (size_t)size}, {body->data, with_body ? body->size : 0}};
    for (int part = 0; part < 2;) {
        ssize_t sent = writev(socket, parts + part, 2 - part);
        if (sent < 0) return 0;
        for (; part < 2 && (size_t)sent >= parts[part].iov_len; part++) sent -= (ssize_t)parts[part].iov_len;
        if (part < 2) parts[part].iov_base = (char *)parts[part].iov_base + sent, parts[part].iov_len -= (size_t)sent;
    }
    return 1;
}
