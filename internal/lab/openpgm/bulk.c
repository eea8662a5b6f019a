/*
 * bulk - a file over OpenPGM's public API (libpgm 5.3), to be measured.
 *
 *   bulk send NETWORK PORT FILE RATE      RATE in octets a second; stays to repair until SIGTERM
 *   bulk receive NETWORK PORT FILE SIZE   exits 0 once it has SIZE octets, 3 if the session was reset
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pgm/pgm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

/* The library's checksum uses aligned stores: a message that is no multiple of 16 octets long ends in SIGSEGV. */
enum { MESSAGE = 1424, WINDOW = 65536, SOCKET_BUFFER = 4 << 20, NAKS_EVERY = 16, CHUNK = 736 * MESSAGE };

static volatile sig_atomic_t quit;

static void on_term(int s) { (void)s; quit = 1; }

static void fail(const char *what, pgm_error_t *err)
{
	fprintf(stderr, "bulk: %s: %s\n", what, err ? err->message : strerror(errno));
	exit(1);
}

static void set(pgm_sock_t *s, int option, int value)
{
	if (!pgm_setsockopt(s, IPPROTO_PGM, option, &value, sizeof value))
		fprintf(stderr, "bulk: option %d was refused\n", option);
}

static pgm_sock_t *open_session(const char *network, int port, int sender, long rate)
{
	pgm_error_t *err = NULL;
	struct pgm_addrinfo_t *net = NULL;
	pgm_sock_t *s = NULL;
	if (!pgm_init(&err)) fail("pgm_init", err);
	if (!pgm_getaddrinfo(network, NULL, &net, &err)) fail(network, err);
	if (!pgm_socket(&s, AF_INET, SOCK_SEQPACKET, IPPROTO_UDP, &err)) fail("pgm_socket", err);
	int buffer = SOCKET_BUFFER;
	set(s, PGM_UDP_ENCAP_UCAST_PORT, port);
	set(s, PGM_UDP_ENCAP_MCAST_PORT, port);
	set(s, PGM_IP_ROUTER_ALERT, 0);
	set(s, PGM_MTU, 1500);
	pgm_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	pgm_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	if (sender) {
		int heartbeat[] = {pgm_msecs(20), pgm_msecs(50), pgm_msecs(100), pgm_msecs(200), pgm_msecs(500), pgm_secs(1)};
		set(s, PGM_SEND_ONLY, 1);
		set(s, PGM_TXW_SQNS, WINDOW);
		set(s, PGM_TXW_MAX_RTE, rate);
		set(s, PGM_AMBIENT_SPM, pgm_secs(1));
		pgm_setsockopt(s, IPPROTO_PGM, PGM_HEARTBEAT_SPM, heartbeat, sizeof heartbeat);
	} else {
		set(s, PGM_RECV_ONLY, 1);
		set(s, PGM_PASSIVE, 0);
		set(s, PGM_RXW_SQNS, WINDOW);
		set(s, PGM_PEER_EXPIRY, pgm_secs(30));
		set(s, PGM_SPMR_EXPIRY, pgm_msecs(250));
		set(s, PGM_NAK_BO_IVL, pgm_msecs(10));
		set(s, PGM_NAK_RPT_IVL, pgm_msecs(200));
		set(s, PGM_NAK_RDATA_IVL, pgm_msecs(200));
		set(s, PGM_NAK_DATA_RETRIES, 50);
		set(s, PGM_NAK_NCF_RETRIES, 50);
	}
	struct pgm_sockaddr_t addr = {.sa_port = 7500};
	char name[64];
	snprintf(name, sizeof name, "bulk-%s-%d", network, (int)getpid());
	pgm_gsi_create_from_data(&addr.sa_addr.gsi, (uint8_t *)name, strlen(name));
	addr.sa_addr.sport = DEFAULT_DATA_SOURCE_PORT;
	struct pgm_interface_req_t device = {.ir_interface = net->ai_recv_addrs[0].gsr_interface};
	memcpy(&device.ir_address, &net->ai_send_addrs[0].gsr_addr, sizeof device.ir_address);
	if (!pgm_bind3(s, &addr, sizeof addr, &device, sizeof device, &device, sizeof device, &err)) fail("pgm_bind", err);
	for (unsigned i = 0; i < net->ai_recv_addrs_len; i++)
		pgm_setsockopt(s, IPPROTO_PGM, PGM_JOIN_GROUP, &net->ai_recv_addrs[i], sizeof net->ai_recv_addrs[i]);
	pgm_setsockopt(s, IPPROTO_PGM, PGM_SEND_GROUP, &net->ai_send_addrs[0], sizeof net->ai_send_addrs[0]);
	set(s, PGM_MULTICAST_LOOP, 0);
	set(s, PGM_MULTICAST_HOPS, 4);
	set(s, PGM_NOBLOCK, 1);
	if (!pgm_connect(s, &err)) fail("pgm_connect", err);
	return s;
}

/* Waits for packets or room, or for what the library has to do at a time of its own. */
static void wait_for(pgm_sock_t *s, int status, int writable, long most)
{
	struct timeval t = {0, most};
	socklen_t n = sizeof t;
	if (status == PGM_IO_STATUS_TIMER_PENDING) pgm_getsockopt(s, IPPROTO_PGM, PGM_TIME_REMAIN, &t, &n);
	if (status == PGM_IO_STATUS_RATE_LIMITED) pgm_getsockopt(s, IPPROTO_PGM, PGM_RATE_REMAIN, &t, &n);
	if (t.tv_sec > 0 || t.tv_usec > most) t = (struct timeval){0, most};
	fd_set r, w;
	int fds = 0;
	FD_ZERO(&r);
	FD_ZERO(&w);
	pgm_select_info(s, &r, writable ? &w : NULL, &fds);
	select(fds, &r, writable ? &w : NULL, NULL, &t);
}

static int send_file(pgm_sock_t *s, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st)) fail(path, NULL);
	unsigned char *chunk = aligned_alloc(64, CHUNK), scratch[64];
	size_t len = 0, at = 0, n;
	unsigned long sent = 0;
	for (off_t off = 0; !quit && off < st.st_size;) {
		if (at == len) {
			ssize_t got = read(fd, chunk, CHUNK);
			if (got <= 0) fail(path, NULL);
			len = got, at = 0;
		}
		size_t size = len - at < MESSAGE ? len - at : MESSAGE;
		int status = pgm_send(s, chunk + at, size, &n);
		if (status == PGM_IO_STATUS_NORMAL) {
			off += size, at += size;
			if (++sent % NAKS_EVERY) continue;
		}
		int naks = pgm_recv(s, scratch, sizeof scratch, MSG_DONTWAIT, &n, NULL); /* takes NAKs, and repairs */
		(void)naks;
		if (status != PGM_IO_STATUS_NORMAL) wait_for(s, status, status == PGM_IO_STATUS_WOULD_BLOCK, 1000);
	}
	while (!quit) {
		int status = pgm_recv(s, scratch, sizeof scratch, MSG_DONTWAIT, &n, NULL);
		if (status != PGM_IO_STATUS_NORMAL) wait_for(s, status, 0, 5000);
	}
	_exit(0); /* closing the session would wait */
}

static int receive_file(pgm_sock_t *s, const char *path, size_t size)
{
	static unsigned char buf[1 << 20];
	size_t got = 0, fill = 0, n = 0;
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644), code = 0;
	if (fd < 0) fail(path, NULL);
	while (!quit && !code && got < size) {
		if (sizeof buf - fill < 65536) {
			if (write(fd, buf, fill) != (ssize_t)fill) fail(path, NULL);
			fill = 0;
		}
		pgm_error_t *err = NULL;
		int status = pgm_recv(s, buf + fill, sizeof buf - fill, 0, &n, &err);
		if (status == PGM_IO_STATUS_NORMAL) {
			got += n, fill += n;
			continue;
		}
		if (status == PGM_IO_STATUS_RESET || status == PGM_IO_STATUS_ERROR || status == PGM_IO_STATUS_EOF) {
			fprintf(stderr, "bulk: the session ended at %zu: %s\n", got, err ? err->message : "no reason");
			code = 3;
		}
		if (err) pgm_error_free(err);
		wait_for(s, status, 0, 100000);
	}
	if (write(fd, buf, fill) != (ssize_t)fill) fail(path, NULL);
	close(fd);
	_exit(code ? code : got < size ? 1 : 0);
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: bulk send NETWORK PORT FILE RATE | bulk receive NETWORK PORT FILE SIZE\n");
		return 2;
	}
	int sender = !strcmp(argv[1], "send");
	signal(SIGTERM, on_term);
	pgm_sock_t *s = open_session(argv[2], atoi(argv[3]), sender, atol(argv[5]));
	return sender ? send_file(s, argv[4]) : receive_file(s, argv[4], atoll(argv[5]));
}
