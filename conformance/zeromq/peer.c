/*
 * A ZeroMQ PUB or SUB of messages over epgm:// or pgm://, for the interop labs: see ../interop/messages.h.
 *
 *   peer pub|sub --endpoint "epgm://INTERFACE;GROUP:PORT" [flags]
 *   peer has-pgm     say whether this libzmq speaks PGM, and its version
 *
 *   --source N      the number of this source in its messages
 *   --count N       messages, --sizes A,B,C: their lengths, over and over; --lines: of octets that can be printed
 *   --rate KBIT     a second; default 8000
 *   --recovery MS   of data that is kept for repairs at that rate; default 10000
 */
#include <getopt.h>
#include <poll.h>

#include <zmq.h>

#include "../interop/messages.h"

static void set(void *s, int option, int value)
{
	if (zmq_setsockopt(s, option, &value, sizeof value))
		wrong("option %d refuses %d: %s", option, value, zmq_strerror(zmq_errno()));
}

/* rest waits 5 ms, or until something is told. */
static void rest(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	poll(&in, 1, 5);
}

static void publish(void *pub, const struct plan *p, uint32_t source)
{
	static unsigned char buf[MAX_MESSAGE];
	uint64_t octets = 0;
	int order;
	while ((order = told()) == 0)
		rest();
	for (uint32_t i = 0; i < p->count && order >= 0; i++) {
		size_t len = message_write(p, source, i, buf);
		if (zmq_send(pub, buf, len, 0) != (int)len)
			wrong("sending message %u: %s", i, zmq_strerror(zmq_errno()));
		octets += len;
	}
	say("sent %u %llu", p->count, (unsigned long long)octets);
	while (order >= 0 && (order = told()) == 0)
		rest();
}

/* subscribe keeps sources apart by what they say of themselves: ZeroMQ mixes them. */
static void subscribe(void *sub, const struct plan *p)
{
	static struct hearing heard[MAX_SOURCES];
	static unsigned char buf[MAX_MESSAGE];
	while (told() >= 0) {
		int len = zmq_recv(sub, buf, sizeof buf, 0);
		if (len < 0)
			continue; /* the time is up: see what is told */
		if (len < MESSAGE_HEADER || len > MAX_MESSAGE || message_field(buf, 0) >= MAX_SOURCES)
			wrong("a message of %d octets", len);
		message_take(p, &heard[message_field(buf, 0)], buf, len);
	}
}

int main(int argc, char **argv)
{
	static const struct option flags[] = {{"endpoint", 1, 0, 'e'}, {"source", 1, 0, 's'}, {"count", 1, 0, 'c'},
		{"sizes", 1, 0, 'z'}, {"lines", 0, 0, 'l'}, {"rate", 1, 0, 'r'}, {"recovery", 1, 0, 'k'}, {0}};
	const char *endpoint = "";
	int source = 0, rate = 8000, recovery = 10000, c;
	struct plan plan = {.count = 1};
	if (argc < 2)
		return 2;
	while ((c = getopt_long(argc - 1, argv + 1, "", flags, NULL)) != -1)
		switch (c) {
		case 'e': endpoint = optarg; break;
		case 's': source = atoi(optarg); break;
		case 'c': plan.count = strtoul(optarg, NULL, 10); break;
		case 'z': plan_read(&plan, optarg); break;
		case 'l': plan.lines = 1; break;
		case 'r': rate = atoi(optarg); break;
		case 'k': recovery = atoi(optarg); break;
		default: return 2;
		}
	if (!strcmp(argv[1], "has-pgm")) {
		int major, minor, patch;
		zmq_version(&major, &minor, &patch);
		say("%s %d.%d.%d", zmq_has("pgm") ? "yes" : "no", major, minor, patch);
		return 0;
	}
	int publishing = !strcmp(argv[1], "pub");
	void *context = zmq_ctx_new();
	void *s = zmq_socket(context, publishing ? ZMQ_PUB : ZMQ_SUB);
	set(s, ZMQ_RATE, rate);
	set(s, ZMQ_RECOVERY_IVL, recovery);
	set(s, ZMQ_SNDHWM, 0);
	set(s, ZMQ_RCVHWM, 0);
	set(s, ZMQ_LINGER, 1000);
	set(s, ZMQ_RCVTIMEO, 20);
	if (!publishing && zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0))
		wrong("subscribing: %s", zmq_strerror(zmq_errno()));
	if (zmq_connect(s, endpoint))
		wrong("%s: %s", endpoint, zmq_strerror(zmq_errno()));
	say("ready");
	if (publishing)
		publish(s, &plan, source);
	else
		subscribe(s, &plan);
	zmq_close(s);
	zmq_ctx_term(context);
	say("closed");
	return 0;
}
