/*
 * cpg - a member of a group of Corosync's CPG, to be measured: the same load and the same figures as a member of ours (member.go).
 *
 *   cpg load INDEX MEMBERS SENDERS SIZE RATE MILLISECONDS SAFE     prints its figures as JSON; RATE 0: as many messages as go
 *   cpg watch                                                      prints a line for each view, until it is killed
 */
#include <corosync/cpg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { START = 1, DATA, DONE };

/* What each message begins with. */
struct head { uint32_t type, sender; uint64_t number; int64_t at; };

static cpg_handle_t handle;
static struct cpg_name group = { .length = 3, .value = "lab" };
static int fd, watching, members, done;
static int64_t started, window; /* the time in which what is received counts, but for its first second */
static uint64_t count, inside, order;
static uint32_t *latency;
static size_t room;

static void fail(const char *what, int error)
{
	fprintf(stderr, "cpg: %s: error %d\n", what, error);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void deliver(cpg_handle_t h, const struct cpg_name *g, uint32_t node, uint32_t pid, void *message, size_t len)
{
	(void)h, (void)g, (void)node, (void)pid;
	struct head m;
	if (len < sizeof m) return;
	memcpy(&m, message, sizeof m);
	int64_t t = now();
	switch (m.type) {
	case START:
		if (!started) started = t;
		return;
	case DONE:
		done++;
		return;
	}
	if (t - started >= 1000000000ll && t - started < window) inside++;
	order = (order ^ m.sender) * 1099511628211ull ^ m.number;
	if (count == room && !(latency = realloc(latency, (room = room ? 2 * room : 65536) * sizeof *latency))) fail("realloc", 0);
	latency[count++] = (t - m.at) / 1000;
}

static void changed(cpg_handle_t h, const struct cpg_name *g, const struct cpg_address *m, size_t n, const struct cpg_address *l, size_t nl,
	const struct cpg_address *j, size_t nj)
{
	(void)h, (void)g, (void)m, (void)l, (void)nl, (void)j, (void)nj;
	members = n;
	if (watching) {
		printf("%lld %d 0\n", (long long)now(), members);
		fflush(stdout);
	}
}

/* join waits for the daemon, which may be forming its ring. */
static void join(void)
{
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = deliver, .cpg_confchg_fn = changed };
	int e, n = 0;
	while ((e = cpg_initialize(&handle, &callbacks)) != CS_OK) {
		if (++n > 6000) fail("cpg_initialize", e);
		usleep(5000);
	}
	while ((e = cpg_join(handle, &group)) != CS_OK) {
		if (++n > 12000) fail("cpg_join", e);
		usleep(5000);
	}
	if ((e = cpg_fd_get(handle, &fd)) != CS_OK) fail("cpg_fd_get", e);
}

static void take(int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	if (poll(&p, 1, ms) <= 0) return;
	int e = cpg_dispatch(handle, CS_DISPATCH_ALL);
	if (e != CS_OK && e != CS_ERR_TRY_AGAIN) fail("cpg_dispatch", e);
}

/* put sends a message, and reports whether there was room for it. */
static int put(void *buffer, size_t len, uint32_t type, int index, uint64_t number, int safe)
{
	struct head m = { type, index, number, now() };
	memcpy(buffer, &m, sizeof m);
	struct iovec v = { buffer, len };
	int e = cpg_mcast_joined(handle, safe ? CPG_TYPE_SAFE : CPG_TYPE_AGREED, &v, 1);
	if (e != CS_OK && e != CS_ERR_TRY_AGAIN) fail("cpg_mcast_joined", e);
	return e == CS_OK;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void load(int index, int all, int senders, int size, int rate, int safe)
{
	if (size < (int)sizeof(struct head)) size = sizeof(struct head);
	char *buffer = calloc(1, size);
	uint64_t sent = 0;
	int64_t late = now() + 30000000000ll;
	while (members < all) {
		take(20);
		if (now() > late) fail("members are missing", members);
	}
	if (index == 0) {
		for (int64_t t = now(); now() - t < 300000000;) take(20);
		while (!put(buffer, sizeof(struct head), START, index, 0, safe)) take(1);
	}
	while (!started) {
		take(20);
		if (now() > late) fail("no start", 0);
	}
	int64_t next = started;
	while (index < senders && now() - started < window) {
		int full = 0;
		if (rate) {
			int64_t left = next - now();
			if (left > 0) {
				take(left > 1100000 ? 1 : 0);
				continue;
			}
			next += 1000000000 / rate;
			if (put(buffer, size, DATA, index, sent, safe)) sent++;
		} else {
			for (int k = 0; k < 16 && !full; k++) {
				if (put(buffer, size, DATA, index, sent, safe)) sent++;
				else full = 1;
			}
		}
		take(full);
	}
	if (index < senders)
		while (!put(buffer, sizeof(struct head), DONE, index, 0, safe)) take(1);
	while (done < senders) {
		take(20);
		if (now() > late + window) fail("no end", done);
	}
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	double seconds = (window - 1000000000) / 1e9, each = inside / seconds;
	printf("{\"rate\":%.1f,\"mbs\":%.3f,\"count\":%llu,\"order\":%llu,\"cpu\":%.3f", each, each * size / 1e6, (unsigned long long)count,
		(unsigned long long)order, u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	if (rate && count) {
		qsort(latency, count, sizeof *latency, ascending);
		printf(",\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u", latency[count / 2], latency[count * 99 / 100], latency[count - 1]);
	}
	printf("}\n");
	fflush(stdout);
	for (int64_t t = now(); now() - t < 300000000;) take(20); /* others may still need what this member has */
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "watch")) {
		watching = 1;
		join();
		for (;;) take(1000);
	}
	if (argc != 9 || strcmp(argv[1], "load")) {
		fprintf(stderr, "usage: cpg watch | load INDEX MEMBERS SENDERS SIZE RATE MILLISECONDS SAFE\n");
		return 2;
	}
	window = atoll(argv[7]) * 1000000;
	join();
	load(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), atoi(argv[8]));
	cpg_leave(handle, &group);
	cpg_finalize(handle);
	return 0;
}
