/* The codec of OpenPGM, which its static library has and its shared one hides.
 *
 * openpgm encode K J LEN < K packets > parity packet J
 * openpgm speed K H LEN: the nanoseconds that it takes to compute H parity packets, and to bring back H data packets from them, at its best
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* as in include/impl/reed_solomon.h, which is not installed */
typedef struct {
	uint8_t n, k;
	uint8_t *GM, *RM;
	uint8_t spare[64];
} rs_t;

void pgm_rs_create(rs_t *, uint8_t n, uint8_t k);
void pgm_rs_encode(rs_t *, const uint8_t **src, uint8_t offset, uint8_t *dst, uint16_t len);
void pgm_rs_decode_parity_inline(rs_t *, uint8_t **block, const uint8_t *offsets, uint16_t len);

static int k, h, len;
static uint8_t *data[255], *copy[255], *block[255], offsets[255];
static rs_t rs;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void encode(void)
{
	for (int j = 0; j < h; j++)
		pgm_rs_encode(&rs, (const uint8_t **)data, k + j, data[k + j], len);
}

/* The first h data packets are missing, and the parity packets are in their places. */
static void lose(void)
{
	for (int i = 0; i < k; i++) {
		block[i] = copy[i];
		offsets[i] = i < h ? k + i : i;
		memcpy(block[i], data[offsets[i]], len);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	k = atoi(argv[2]), h = atoi(argv[3]), len = atoi(argv[4]);
	memset(&rs, 0, sizeof rs);
	pgm_rs_create(&rs, 255, k);
	for (int i = 0; i < 255; i++) {
		data[i] = malloc(len + 64);
		copy[i] = malloc(len + 64);
	}
	if (!strcmp(argv[1], "encode")) {
		for (int i = 0; i < k; i++)
			if (fread(data[i], 1, len, stdin) != (size_t)len)
				return 1;
		pgm_rs_encode(&rs, (const uint8_t **)data, k + h, data[k], len);
		return fwrite(data[k], 1, len, stdout) != (size_t)len;
	}
	for (int i = 0; i < k; i++)
		for (int n = 0; n < len; n++)
			data[i][n] = rand();
	double end = now() + 3e8, encoding = 1e18, decoding = 1e18, t;
	for (int rounds = 0; rounds < 3 || now() < end; rounds++) {
		t = now();
		encode();
		if ((t = now() - t) < encoding)
			encoding = t;
		lose();
		t = now();
		pgm_rs_decode_parity_inline(&rs, block, offsets, len);
		if ((t = now() - t) < decoding)
			decoding = t;
		for (int i = 0; i < k; i++)
			if (memcmp(block[i], data[i], len)) {
				fprintf(stderr, "packet %d is wrong\n", i);
				return 1;
			}
	}
	printf("%.0f %.0f\n", encoding, decoding);
	return 0;
}
