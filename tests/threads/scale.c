/* SPDX-License-Identifier: MIT
 * Many connections through one process, in waves: open, write, close all, be gone. Every second one, or with "all" every
 * one, closes while its peer reads nothing, until the peer is told to read.
 *
 *     scale WAVES CONNECTIONS half|all [LIMIT]
 *
 * LIMIT: RLIMIT_NOFILE, and one after the other; and the peer speaks before it reads, which resets those that nobody
 * holds any more. The peer is a process of its own, without the library. TLS 1.2
 * with a shared key: the handshake is to cost little. Prints what is left of threads, descriptors and memory.
 */
#include "rude.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>

#define LITTLE 100
#define MUCH   20000 /* more than the peer's socket takes */
#define UNREAD 500

extern char **environ;

static unsigned int client_key(SSL *ssl, const char *hint, char *identity, unsigned int identity_most,
			       unsigned char *key, unsigned int key_most)
{
	(void)ssl, (void)hint;
	snprintf(identity, identity_most, "scale");
	memset(key, 1, key_most < 32 ? key_most : 32);
	return 32;
}

static unsigned int server_key(SSL *ssl, const char *identity, unsigned char *key, unsigned int key_most)
{
	(void)ssl, (void)identity;
	memset(key, 1, key_most < 32 ? key_most : 32);
	return 32;
}

static SSL_CTX *cheap_context(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (!ctx || !SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, "PSK-AES128-GCM-SHA256"))
		rude_fail("SSL_CTX_new");
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (server)
		SSL_CTX_set_psk_server_callback(ctx, server_key);
	else
		SSL_CTX_set_psk_client_callback(ctx, client_key);
	return ctx;
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- the peer: accepts a wave, and reads it when told --- */

struct met {
	SSL *ssl;
	int fd;
};

static int listen_anew(int control, int count)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096, port;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ||
	    bind(fd, (struct sockaddr *)&address, size) || listen(fd, count) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		rude_fail("listen");
	port = ntohs(address.sin_port);
	if (write(control, &port, sizeof(port)) != sizeof(port))
		rude_fail("control");
	return fd;
}

/* 1: all that was sent, close_notify, FIN. */
static int reads_to_the_end(struct met *met)
{
	char bytes[16384];
	int got, all = 0, closed;

	while ((got = SSL_read(met->ssl, bytes, sizeof(bytes))) > 0)
		all += got;
	closed = SSL_get_error(met->ssl, got) == SSL_ERROR_ZERO_RETURN && (all == LITTLE || all == MUCH) &&
		 recv(met->fd, bytes, 1, 0) == 0;
	ERR_clear_error();
	SSL_free(met->ssl);
	close(met->fd);
	return closed;
}

static void __attribute__((noreturn)) be_peer(int control)
{
	SSL_CTX *ctx = cheap_context(true);
	static const char answer[UNREAD];
	int count, closed, wide = 1 << 18;
	char told;

	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	while (read(control, &count, sizeof(count)) == sizeof(count)) {
		struct met *met = calloc((size_t)count, sizeof(*met));
		unsigned char *verdicts = calloc((size_t)count, 1);
		int listener = listen_anew(control, count);

		for (int i = 0; i < count; i++) {
			met[i].fd = accept(listener, NULL, NULL);
			met[i].ssl = SSL_new(ctx);
			SSL_set_fd(met[i].ssl, met[i].fd);
			if (SSL_accept(met[i].ssl) != 1 || SSL_write(met[i].ssl, answer, UNREAD) != UNREAD)
				rude_fail("peer");
		}
		if (read(control, &told, 1) != 1)
			rude_fail("control");
		for (int i = 0; i < count && told == 's'; i++)
			SSL_write(met[i].ssl, answer, UNREAD);
		closed = 0;
		for (int i = 0; i < count; i++) /* else 4096 bytes at a time, and a pause after each */
			setsockopt(met[i].fd, SOL_SOCKET, SO_RCVBUF, &wide, sizeof(wide));
		for (int i = 0; i < count; i++)
			closed += verdicts[i] = (unsigned char)reads_to_the_end(&met[i]);
		if (write(control, &closed, sizeof(closed)) != sizeof(closed) ||
		    write(control, verdicts, (size_t)count) != count)
			rude_fail("control");
		close(listener);
		free(met);
		free(verdicts);
	}
	exit(0);
}

static int start_peer(void)
{
	char number[16], *arguments[] = {"scale", "peer", number, NULL};
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		rude_fail("socketpair");
	snprintf(number, sizeof(number), "%d", pair[1]);
	child = fork();
	if (child < 0)
		rude_fail("fork");
	if (child == 0) {
		unsetenv("LD_PRELOAD");
		fcntl(pair[1], F_SETFD, 0);
		execve("/proc/self/exe", arguments, environ);
		_exit(99);
	}
	close(pair[1]);
	return pair[0];
}

/* --- the program --- */

static int entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	if (!directory)
		rude_fail(path);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int threads(void)
{
	return entries("/proc/self/task");
}

static long resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (!file || fscanf(file, "%*s %ld", &pages) != 1)
		rude_fail("statm");
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void tell_peer(int control, const void *what, size_t size)
{
	if (write(control, what, size) != (ssize_t)size)
		rude_fail("control");
}

static void hear_peer(int control, void *what, size_t size)
{
	if (recv(control, what, size, MSG_WAITALL) != (ssize_t)size)
		rude_fail("control");
}

static void meet(SSL_CTX *ctx, struct met *met, int port, int length)
{
	char number[16];
	struct rude r = {.port = number};
	int there = 0;

	snprintf(number, sizeof(number), "%d", port);
	met->fd = rude_tcp(&r);
	met->ssl = SSL_new(ctx);
	SSL_set_fd(met->ssl, met->fd);
	SSL_set_connect_state(met->ssl);
	rude_shake_hands(met->ssl);
	rude_write(met->ssl, length);
	while (there == 0)
		if (ioctl(met->fd, FIONREAD, &there))
			rude_fail("FIONREAD");
}

static void end(struct met *met)
{
	close(met->fd);
	SSL_free(met->ssl);
}

struct tally {
	int closed, most_threads, descriptors;
	unsigned char *verdicts;
};

static void wave(SSL_CTX *ctx, int control, int count, bool all, int limit, struct tally *tally)
{
	struct met *met = calloc((size_t)count, sizeof(*met));
	int port, closed, before = entries("/proc/self/fd"), now;
	struct rlimit full, low;

	tell_peer(control, &count, sizeof(count));
	hear_peer(control, &port, sizeof(port));
	getrlimit(RLIMIT_NOFILE, &full);
	low = full;
	low.rlim_cur = limit ? (rlim_t)limit : full.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &low);
	for (int i = 0; i < count; i++) {
		meet(ctx, &met[i], port, all || i % 2 ? MUCH : LITTLE);
		if (limit)
			end(&met[i]);
	}
	for (int i = 0; i < count && !limit; i++)
		end(&met[i]);
	setrlimit(RLIMIT_NOFILE, &full);
	now = threads() - 1;
	tally->most_threads = now > tally->most_threads ? now : tally->most_threads;
	now = entries("/proc/self/fd") - before;
	tally->descriptors = now > tally->descriptors ? now : tally->descriptors;
	tell_peer(control, limit ? "s" : "r", 1);
	hear_peer(control, &closed, sizeof(closed));
	hear_peer(control, tally->verdicts, (size_t)count);
	tally->closed += closed;
	while (threads() > 1 + 2) /* entries() counts "." and ".." */
		usleep(1000);
	free(met);
}

int main(int argc, char **argv)
{
	int waves, count, control, first_threads, limit = argc > 4 ? atoi(argv[4]) : 0;
	long resident = 0;
	struct tally tally = {0};
	SSL_CTX *ctx;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "peer"))
		be_peer(atoi(argv[2]));
	if (argc < 4)
		rude_fail("scale WAVES CONNECTIONS half|all [LIMIT]");
	waves = atoi(argv[1]);
	count = atoi(argv[2]);
	raise_limit();
	control = start_peer();
	ctx = cheap_context(false);
	first_threads = threads();
	tally.verdicts = calloc((size_t)count, 1);
	for (int i = 0; i < waves; i++) {
		wave(ctx, control, count, !strcmp(argv[3], "all"), limit, &tally);
		malloc_trim(0);
		if (i == 0)
			resident = resident_kb();
	}
	printf("closed %d\n", tally.closed);
	printf("threads while lingering %d, after %d\n", tally.most_threads - 2, threads() - first_threads);
	printf("descriptors %d\n", tally.descriptors);
	printf("resident after the first wave %ld KB, then %+ld KB\n", resident, resident_kb() - resident);
	if (limit) {
		printf("verdicts ");
		for (int i = 0; i < count; i++)
			putchar(tally.verdicts[i] ? 'c' : '-');
		putchar('\n');
	}
	rude_vanish(); /* nothing is left that exit could wait for */
}
