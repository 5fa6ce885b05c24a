/* SPDX-License-Identifier: MIT
 * Which socket carries a session: writes on four sockets, some with hellos, whole or in pieces, and whose random is found
 * where, compared with a model that is too simple to be wrong.
 *
 * An input is a row of: KIND. KIND % 4: 0 LENGTH BYTES: a write; 1 RANDOM FROM LENGTH: a part of the hello with that
 * random; 2: the descriptor is another socket now; 3: what was sought has been found, begin anew. KIND / 4 % 4: the
 * descriptor; KIND / 16: in how many parts, and whether the kernel takes all. */
#include "fuzz.h"

#include "../../shim/match.c"

#define SOCKETS 4
#define NAMES   14 /* cookies; fewer than HALVES */
#define KNOWN   64

static uint64_t cookies[SOCKETS], handed[SOCKETS];

void *cn_map(size_t size)
{
	return calloc(1, size);
}

uint64_t cn_socket_cookie(int fd)
{
	return cookies[fd];
}

bool cn_socket_handed(int fd, uint64_t *bytes)
{
	*bytes = handed[fd];
	return true;
}

static struct cn_process_page one_process = {.name = 1};
struct cn_process_page *_Atomic cn_process_page = &one_process;

uint32_t cn_process_born(void)
{
	return 1;
}

/* --- the model: what was begun on each socket, and which randoms were seen where --- */

static struct {
	struct {
		size_t length;
		uint64_t before;
		int fd;
		uint8_t bytes[HELLO_START];
	} begun[NAMES + 1];
	struct {
		uint8_t random[CN_RANDOM];
		uint64_t cookie, before;
		int fd;
		bool on_two;
	} known[KNOWN];
	int count;
} model;

/* -1 stands for any byte: record header, handshake header, version. */
static bool fits(const uint8_t *bytes, size_t length)
{
	static const int pattern[] = {22, 3, -2, -1, -1, -3, 0, -1, -1, 3};

	for (size_t i = 0; i < length && i < sizeof(pattern) / sizeof(*pattern); i++) {
		if (pattern[i] >= 0 && bytes[i] != pattern[i])
			return false;
		if (pattern[i] == -2 && bytes[i] > 4)
			return false;
		if (pattern[i] == -3 && bytes[i] != 1 && bytes[i] != 2)
			return false;
	}
	return length > 0;
}

static void seen_whole(const uint8_t *hello, uint64_t cookie, uint64_t before, int fd)
{
	for (int i = 0; i < model.count; i++) {
		if (memcmp(model.known[i].random, hello + HELLO_RANDOM, CN_RANDOM) == 0) {
			model.known[i].on_two |= model.known[i].cookie != cookie;
			return;
		}
	}
	memcpy(model.known[model.count].random, hello + HELLO_RANDOM, CN_RANDOM);
	model.known[model.count].cookie = cookie;
	model.known[model.count].before = before;
	model.known[model.count].fd = fd;
	model.known[model.count++].on_two = false;
}

static void written(int fd, const uint8_t *bytes, size_t length)
{
	uint64_t cookie = cookies[fd], before = handed[fd] - length;
	uint8_t *so_far = model.begun[cookie].bytes;
	size_t *begun = &model.begun[cookie].length, take;

	if (!length)
		return;
	if (!*begun) {
		model.begun[cookie].before = before;
		model.begun[cookie].fd = fd;
	}
	take = length < HELLO_START - *begun ? length : HELLO_START - *begun;
	memcpy(so_far + *begun, bytes, take);
	*begun += take;
	if (*begun == HELLO_START && fits(so_far, *begun))
		seen_whole(so_far, cookie, model.begun[cookie].before, model.begun[cookie].fd);
	if (*begun == HELLO_START || !fits(so_far, *begun))
		*begun = 0;
}

static void compare(void)
{
	uint8_t never[CN_RANDOM];
	struct cn_carrier carrier;

	for (int i = 0; i < model.count; i++) {
		HOLD(cn_seek_find(model.known[i].random, &carrier) == !model.known[i].on_two);
		if (model.known[i].on_two)
			continue;
		HOLD(carrier.cookie == model.known[i].cookie && carrier.fd == model.known[i].fd);
		HOLD(carrier.handed == model.known[i].before);
	}
	memset(never, 0xee, sizeof(never)); /* of no hello of ours */
	never[0] = 0xed;
	for (int i = 0; i < model.count; i++)
		if (!memcmp(model.known[i].random, never, sizeof(never)))
			return;
	HOLD(!cn_seek_find(never, &carrier));
}

/* --- the input --- */

static void write_bytes(uint8_t kind, int fd, uint8_t *bytes, size_t length)
{
	size_t parts = kind / 16U % 4 + 1, put = kind & 0x40 ? length / 2 : length, at = 0;
	struct iovec vector[4];

	for (size_t i = 0; i < parts; i++) { /* the last takes the rest */
		vector[i].iov_base = bytes + at;
		vector[i].iov_len = i + 1 < parts ? (length - at) / 2 : length - at;
		at += vector[i].iov_len;
	}
	handed[fd] += put;
	cn_seek_written(fd, vector, parts, put);
	written(fd, bytes, put);
}

static void write_hello(struct input *in, uint8_t kind, int fd)
{
	uint8_t hello[HELLO_START + 20] = {22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
	size_t from, length;

	memset(hello + HELLO_RANDOM, take_byte(in), CN_RANDOM);
	from = take_byte(in) % sizeof(hello);
	length = take_byte(in) % (sizeof(hello) - from + 1);
	write_bytes(kind, fd, hello + from, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t bytes[256];
	uint64_t next;

	memset(&model, 0, sizeof(model));
	for (next = 0; next < SOCKETS; next++) {
		cookies[next] = next + 1;
		handed[next] = 1;
	}
	cn_seek_begins();
	while (in.left && model.count < KNOWN) {
		uint8_t kind = take_byte(&in);
		int fd = kind / 4 % SOCKETS;

		switch (kind % 4) {
		case 0:
			write_bytes(kind, fd, bytes, take_bytes(&in, bytes, take_byte(&in)));
			break;
		case 1:
			write_hello(&in, kind, fd);
			break;
		case 2:
			if (next < NAMES) {
				cookies[fd] = ++next;
				handed[fd] = 1;
			}
			break;
		default:
			cn_seek_over();
			memset(&model, 0, sizeof(model));
			cn_seek_begins();
		}
		compare();
	}
	cn_seek_over();
	HOLD(!cn_seekers);
	free(seen.hellos);
	seen.hellos = NULL;
	return 0;
}
