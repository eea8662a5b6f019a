/*
 * What the peers and the sockets of this module send one another in the interop labs, and how the peers are told what to do;
 * messages_test.go says the same in Go.
 *
 * Message i of source s is sizes[i mod n] octets long: source, number and length in eight hexadecimal digits each, then octets of
 * a generator that is seeded by source and number: of any value, or, if messages are to be lines, of 64 that can be printed. So
 * whoever receives it knows each octet, and which message it is.
 *
 * A peer says "ready" on its standard output when it can be heard or hear. A sender waits for "go" on its standard input, sends,
 * says "sent MESSAGES OCTETS", goes on answering NAKs, and ends its session in an orderly way at "close". A receiver says, of
 * each source of which it has everything, "complete SOURCE FIRST MESSAGES OCTETS", where FIRST is the number of the first message
 * it got. Both end at the end of their standard input, and with "wrong: REASON" and status 1 when they get what they should not.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_HEADER 24
#define MAX_MESSAGE 65536
#define MAX_SIZES 64
#define MAX_SOURCES 16

/* plan is what is sent: the same for all sources of a run. */
struct plan {
	uint32_t count;
	size_t sizes[MAX_SIZES];
	int n;
	int lines; /* whether messages are */
};

/* hearing is what a receiver has got of one source. */
struct hearing {
	uint32_t source, first, next; /* numbers of messages */
	int begun, complete;
	uint64_t octets;
	size_t held;                  /* of an octet stream: octets of a message that is not whole yet */
	unsigned char buf[MAX_MESSAGE];
};

static inline void wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf("wrong: ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	_exit(1);
}

/* say prints a line for the test that reads it. */
static inline void say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
}

/* plan_read reads "16,1424,64". */
static inline void plan_read(struct plan *p, const char *sizes)
{
	char *end = (char *)sizes;
	for (p->n = 0; p->n < MAX_SIZES && *end; p->n++) {
		p->sizes[p->n] = strtoul(sizes, &end, 10);
		if (p->sizes[p->n] < MESSAGE_HEADER || p->sizes[p->n] > MAX_MESSAGE || (*end && *end != ','))
			wrong("sizes \"%s\"", sizes);
		sizes = end + 1;
	}
	if (p->n == 0)
		wrong("no sizes");
}

static inline size_t message_size(const struct plan *p, uint32_t number) { return p->sizes[number % p->n]; }

/* message_field reads the i-th of the three numbers that a message begins with. */
static inline uint32_t message_field(const unsigned char *b, int i)
{
	char digits[9] = {0}, *end;
	memcpy(digits, b + 8 * i, 8);
	unsigned long v = strtoul(digits, &end, 16);
	if (end != digits + 8)
		wrong("\"%s\" where a number of a message is due", digits);
	return v;
}

/* message_write lays out a message in b and returns its length. */
static inline size_t message_write(const struct plan *p, uint32_t source, uint32_t number, unsigned char *b)
{
	size_t len = message_size(p, number);
	char header[MESSAGE_HEADER + 1];
	snprintf(header, sizeof header, "%08x%08x%08x", source, number, (uint32_t)len);
	memcpy(b, header, MESSAGE_HEADER);
	uint32_t x = source * 2654435761u + number;
	for (size_t i = MESSAGE_HEADER; i < len; i++) {
		x = x * 1664525 + 1013904223;
		b[i] = p->lines ? '0' + (x >> 26) : x >> 24;
	}
	return len;
}

/* message_take verifies one whole message of a source, and that it is the one that is due. */
static inline void message_take(const struct plan *p, struct hearing *h, const unsigned char *b, size_t len)
{
	static unsigned char want[MAX_MESSAGE];
	if (len < MESSAGE_HEADER)
		wrong("a message of %zu octets", len);
	uint32_t source = message_field(b, 0), number = message_field(b, 1);
	if (!h->begun) {
		h->begun = 1;
		h->source = source;
		h->first = h->next = number;
	}
	if (source != h->source || number != h->next || number >= p->count)
		wrong("source %u message %u where source %u message %u is due", source, number, h->source, h->next);
	if (message_write(p, source, number, want) != len || memcmp(b, want, len))
		wrong("source %u message %u of %zu octets is not what was sent", source, number, len);
	h->next++;
	h->octets += len;
	if (h->next == p->count && !h->complete) {
		h->complete = 1;
		say("complete %u %u %u %llu", h->source, h->first, h->next - h->first, (unsigned long long)h->octets);
	}
}

/* octets_take takes the next octets of a stream of messages whose bounds are not kept. */
static inline void octets_take(const struct plan *p, struct hearing *h, const unsigned char *b, size_t len)
{
	while (len > 0) {
		size_t want = h->held < MESSAGE_HEADER ? MESSAGE_HEADER : message_field(h->buf, 2);
		if (want < MESSAGE_HEADER || want > MAX_MESSAGE)
			wrong("a message of %zu octets in the stream", want);
		size_t n = want - h->held < len ? want - h->held : len;
		memcpy(h->buf + h->held, b, n);
		h->held += n;
		b += n;
		len -= n;
		if (h->held >= MESSAGE_HEADER && h->held == message_field(h->buf, 2)) {
			message_take(p, h, h->buf, h->held);
			h->held = 0;
		}
	}
}

/* told looks, without waiting, for a line on the standard input: it returns its first character, 0 for none, and -1 at the end. */
static inline int told(void)
{
	static int nonblocking;
	char line[64];
	if (!nonblocking)
		nonblocking = fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK) == 0;
	ssize_t n = read(0, line, sizeof line);
	return n > 0 ? line[0] : n == 0 ? -1 : 0;
}

#endif
