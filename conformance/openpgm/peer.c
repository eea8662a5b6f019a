/*
 * A source or receiver of messages over OpenPGM's public API, for the interop labs: see ../interop/messages.h.
 *
 *   peer send|receive --network "INTERFACE;GROUP" [flags]
 *
 *   --udp PORT      the UDP port of the encapsulation, in both directions; 0, the default: IP protocol 113
 *   --port PORT     the Data-Destination Port; default 7500
 *   --mtu OCTETS    the largest IP packet, which says where messages are cut into fragments; default 1500
 *   --source N      the number of this source in its messages
 *   --count N       messages, --sizes A,B,C: their lengths, over and over; --lines: of octets that can be printed
 *   --rate OCTETS   a second, of whole IP packets; default 1000000
 *   --octets        receive: messages are one stream of octets, whose packets have nothing to do with the bounds of messages
 *   --family 6      IPv6
 *   --pgmcc OCTET   congestion control (PGM_USE_PGMCC): messages have to fit into a packet; OCTET is what is behind the library's memory
 */
#include <errno.h>
#include <getopt.h>
#include <sys/select.h>

#include <pgm/pgm.h>

#include "../interop/messages.h"

static pgm_sock_t *sock;

/*
 * A receiver of the library takes the time at which it is to answer an election from some 500 octets behind the end of its structure of the
 * source: next_ack_rb_expiry has a pointer to a link in that structure for one to the structure. What lies there decides whether it
 * answers at once, or never. So that a lab knows, what is behind each piece of memory here has one value: 0 is long due.
 */
static size_t behind;
static int luck;

void *calloc(size_t n, size_t size)
{
	static void *(*volatile get)(size_t) = malloc; /* or the compiler makes a calloc of malloc and memset */
	if (size && n > (SIZE_MAX - behind) / size)
		return NULL;
	unsigned char *p = get(n * size + behind);
	if (p) {
		memset(p, 0, n * size);
		memset(p + n * size, luck, behind);
	}
	return p;
}

static void set(int option, int value)
{
	if (!pgm_setsockopt(sock, IPPROTO_PGM, option, &value, sizeof value))
		wrong("option %#x refuses %d", option, value);
}

/* open_socket makes a socket that is bound and has joined the group, but is not connected. */
static void open_socket(const char *network, int family, int udp, int port, int mtu, int sending, int rate, int source, int pgmcc)
{
	pgm_error_t *err = NULL;
	struct pgm_addrinfo_t *res = NULL;
	struct pgm_addrinfo_t hints = {.ai_family = family};
	if (!pgm_getaddrinfo(network, &hints, &res, &err))
		wrong("%s: %s", network, err->message);
	if (!pgm_socket(&sock, family, SOCK_SEQPACKET, udp ? IPPROTO_UDP : IPPROTO_PGM, &err))
		wrong("socket: %s", err->message);
	if (udp) {
		/* One number for both directions: the library has one receive socket, bound to the multicast port. */
		set(PGM_UDP_ENCAP_UCAST_PORT, udp);
		set(PGM_UDP_ENCAP_MCAST_PORT, udp);
	}
	if (family == AF_INET) /* of IPv6 the library knows none */
		set(PGM_IP_ROUTER_ALERT, 0);
	set(PGM_MTU, mtu);
	if (pgmcc) {
		struct pgm_pgmccinfo_t info = {.ack_bo_ivl = pgm_msecs(50), .ack_c = 75, .ack_c_p = 500};
		if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_USE_PGMCC, &info, sizeof info))
			wrong("no congestion control");
	}
	if (sending) {
		int heartbeat[] = {pgm_msecs(20), pgm_msecs(40), pgm_msecs(80), pgm_msecs(160), pgm_msecs(320), pgm_msecs(640)};
		set(PGM_SEND_ONLY, 1);
		set(PGM_TXW_SQNS, 16384);
		set(PGM_TXW_MAX_RTE, rate);
		set(PGM_AMBIENT_SPM, pgm_secs(1));
		if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_HEARTBEAT_SPM, heartbeat, sizeof heartbeat))
			wrong("heartbeat refused");
	} else {
		set(PGM_RECV_ONLY, 1);
		set(PGM_PASSIVE, 0);
		set(PGM_RXW_SQNS, 16384);
		set(PGM_PEER_EXPIRY, pgm_secs(30));
		set(PGM_SPMR_EXPIRY, pgm_msecs(250));
		set(PGM_NAK_BO_IVL, pgm_msecs(10));
		set(PGM_NAK_RPT_IVL, pgm_msecs(50));
		set(PGM_NAK_RDATA_IVL, pgm_msecs(50));
		set(PGM_NAK_DATA_RETRIES, 50);
		set(PGM_NAK_NCF_RETRIES, 50);
	}
	struct pgm_sockaddr_t addr = {.sa_port = port, .sa_addr = {.sport = DEFAULT_DATA_SOURCE_PORT}};
	char name[64];
	int n = snprintf(name, sizeof name, "gopgm interop %d %d", source, (int)getpid());
	pgm_gsi_create_from_data(&addr.sa_addr.gsi, (uint8_t *)name, n);
	struct pgm_interface_req_t ir = {.ir_interface = res->ai_recv_addrs[0].gsr_interface};
	memcpy(&ir.ir_address, &res->ai_send_addrs[0].gsr_addr, sizeof ir.ir_address);
	if (!pgm_bind3(sock, &addr, sizeof addr, &ir, sizeof ir, &ir, sizeof ir, &err))
		wrong("bind: %s", err->message);
	for (unsigned i = 0; i < res->ai_recv_addrs_len; i++)
		if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_JOIN_GROUP, &res->ai_recv_addrs[i], sizeof res->ai_recv_addrs[i]))
			wrong("cannot join");
	if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_SEND_GROUP, &res->ai_send_addrs[0], sizeof res->ai_send_addrs[0]))
		wrong("no send group");
	set(PGM_MULTICAST_LOOP, 0);
	set(PGM_MULTICAST_HOPS, 16);
	set(PGM_NOBLOCK, 1);
	if (!pgm_connect(sock, &err))
		wrong("connect: %s", err->message);
	pgm_freeaddrinfo(res);
}

/* await waits until a packet comes, a timer of the library is due, or 5 ms have passed, whichever is first. */
static void await(int status)
{
	struct timeval tv = {0, 5000}, due;
	socklen_t len = sizeof due;
	int option = status == PGM_IO_STATUS_RATE_LIMITED ? PGM_RATE_REMAIN : PGM_TIME_REMAIN;
	if ((status == PGM_IO_STATUS_RATE_LIMITED || status == PGM_IO_STATUS_TIMER_PENDING) &&
	    pgm_getsockopt(sock, IPPROTO_PGM, option, &due, &len) && due.tv_sec == 0 && due.tv_usec < tv.tv_usec)
		tv = due;
	fd_set in;
	int n = 0, fd;
	FD_ZERO(&in);
	pgm_select_info(sock, &in, NULL, &n);
	len = sizeof fd;
	if (pgm_getsockopt(sock, IPPROTO_PGM, PGM_ACK_SOCK, &fd, &len))
		FD_CLR(fd, &in); /* once it can be read, it stays so */
	select(n, &in, NULL, NULL, &tv);
}

/* congested says whether the window of congestion control has no room for another packet. Who calls pgm_send all the same has it announce in
   SPMs what it has not sent; what is then asked for leaves as RDATA with a wrong checksum. */
static int congested(void)
{
	fd_set out;
	int n = 0;
	FD_ZERO(&out);
	return pgm_select_info(sock, NULL, &out, &n) == 0;
}

/* serve has the library do what packets and timers demand of a source, and returns what is to be waited for. */
static int serve(void)
{
	char nothing[64];
	size_t len;
	int status;
	do
		status = pgm_recv(sock, nothing, sizeof nothing, MSG_DONTWAIT, &len, NULL);
	while (status == PGM_IO_STATUS_NORMAL);
	return status;
}

/* shift is how far behind a multiple of 16 octets a message begins: on x86 the library copies data to behind the headers with instructions
   for aligned octets, and dies if they are not. They have to begin where it puts them, which with OPT_FRAGMENT, and with OPT_PGMCC_DATA of an
   IPv4 source, is 20 octets further on. */
static int shift(size_t len, size_t max, int family, int pgmcc)
{
	if (pgmcc)
		return family == AF_INET ? 20 : 0;
	return len > max ? 20 : 0;
}

static void send_all(const struct plan *p, uint32_t source, int family, int pgmcc)
{
	unsigned char *aligned = aligned_alloc(64, MAX_MESSAGE + 64);
	uint64_t octets = 0;
	int order, max = 0;
	socklen_t size = sizeof max;
	if (!pgm_getsockopt(sock, IPPROTO_PGM, PGM_MSS, &max, &size))
		wrong("no PGM_MSS");
	while ((order = told()) == 0)
		await(serve());
	for (uint32_t i = 0; i < p->count && order >= 0; i++) {
		unsigned char *buf = aligned + shift(message_size(p, i), max, family, pgmcc);
		size_t len = message_write(p, source, i, buf), wrote;
		int status = PGM_IO_STATUS_CONGESTION;
		while (congested()) {
			serve();
			await(status);
		}
		while ((status = pgm_send(sock, buf, len, &wrote)) != PGM_IO_STATUS_NORMAL) {
			if (status == PGM_IO_STATUS_ERROR || status == PGM_IO_STATUS_RESET)
				wrong("sending message %u: status %d", i, status);
			serve();
			await(status);
		}
		octets += len;
		serve();
	}
	say("sent %u %llu", p->count, (unsigned long long)octets);
	while ((order = told()) == 0)
		await(serve());
	if (order > 0)
		pgm_close(sock, TRUE);
	say("closed");
}

static void receive_all(const struct plan *p, int octets)
{
	static struct hearing heard[MAX_SOURCES];
	static pgm_tsi_t tsi[MAX_SOURCES];
	static unsigned char buf[1 << 20];
	int sources = 0;
	while (told() >= 0) {
		struct pgm_sockaddr_t from;
		socklen_t fromlen = sizeof from;
		size_t len = 0;
		pgm_error_t *err = NULL;
		int status = pgm_recvfrom(sock, buf, sizeof buf, MSG_DONTWAIT, &len, &from, &fromlen, &err);
		if (status == PGM_IO_STATUS_NORMAL) {
			int i = 0;
			while (i < sources && memcmp(&tsi[i], &from.sa_addr, sizeof tsi[i]))
				i++;
			if (i == MAX_SOURCES)
				wrong("too many sources");
			if (i == sources)
				tsi[sources++] = from.sa_addr;
			if (octets)
				octets_take(p, &heard[i], buf, len);
			else
				message_take(p, &heard[i], buf, len);
			continue;
		}
		if (status == PGM_IO_STATUS_RESET || status == PGM_IO_STATUS_ERROR)
			wrong("receiving: status %d: %s", status, err ? err->message : "no reason");
		if (err)
			pgm_error_free(err);
		await(status);
	}
}

int main(int argc, char **argv)
{
	static const struct option flags[] = {
		{"network", 1, 0, 'n'}, {"udp", 1, 0, 'u'}, {"port", 1, 0, 'p'}, {"mtu", 1, 0, 'm'}, {"source", 1, 0, 's'},
		{"count", 1, 0, 'c'}, {"sizes", 1, 0, 'z'}, {"lines", 0, 0, 'l'}, {"rate", 1, 0, 'r'}, {"octets", 0, 0, 'o'}, {"family", 1, 0, 'f'},
		{"pgmcc", 1, 0, 'a'}, {0}};
	const char *network = "";
	int udp = 0, port = 7500, mtu = 1500, source = 0, rate = 1000000, octets = 0, family = AF_INET, pgmcc = 0, c;
	struct plan plan = {.count = 1};
	if (argc < 2)
		return 2;
	while ((c = getopt_long(argc - 1, argv + 1, "", flags, NULL)) != -1)
		switch (c) {
		case 'n': network = optarg; break;
		case 'u': udp = atoi(optarg); break;
		case 'p': port = atoi(optarg); break;
		case 'm': mtu = atoi(optarg); break;
		case 's': source = atoi(optarg); break;
		case 'c': plan.count = strtoul(optarg, NULL, 10); break;
		case 'z': plan_read(&plan, optarg); break;
		case 'l': plan.lines = 1; break;
		case 'r': rate = atoi(optarg); break;
		case 'o': octets = 1; break;
		case 'f': family = atoi(optarg) == 6 ? AF_INET6 : AF_INET; break;
		case 'a': pgmcc = 1; behind = 4096; luck = atoi(optarg); break;
		default: return 2;
		}
	pgm_error_t *err = NULL;
	if (!pgm_init(&err))
		wrong("init: %s", err->message);
	int sending = !strcmp(argv[1], "send");
	open_socket(network, family, udp, port, mtu, sending, rate, source, pgmcc);
	say("ready");
	if (sending)
		send_all(&plan, source, family, pgmcc);
	else
		receive_all(&plan, octets);
	return 0;
}
