/* SPDX-License-Identifier: MIT
 * What the rude programs share: they connect, shake hands, write N bytes, and then commit their one sin.
 *
 *     PROGRAM PORT TLS [N]    TLS is 1.2 or 1.3; N bytes (10000) of a to z, over and over
 *
 * PORT 0: be the server, print "listening PORT", serve one connection with $PKI/cert.pem. Exit status 99:
 * something went wrong that is not the sin. TELL prints what the program sees of a call, so that two runs can
 * be compared. */
#ifndef RUDE_H
#define RUDE_H

#include "old_libc.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct rude {
	const char *port, *tls;
	bool server;
	int n;
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

/* A system call by no function that could be interposed. */
static inline long rude_raw(long number, long argument)
{
	long ret;

#if defined(__x86_64__)
	__asm__ volatile("syscall" : "=a"(ret) : "0"(number), "D"(argument) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = argument;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory");
	ret = x0;
#elif defined(__i386__)
	__asm__ volatile("int $0x80" : "=a"(ret) : "0"(number), "b"(argument) : "memory");
#else
#error "rude_raw: how does this machine call its kernel?"
#endif
	return ret;
}

static inline void __attribute__((noreturn)) rude_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	rude_raw(SYS_exit_group, 99);
	__builtin_unreachable();
}

static inline struct rude rude_arguments(int argc, char **argv)
{
	struct rude r = {.fd = -1, .n = argc > 3 ? atoi(argv[3]) : 10000};

	if (argc < 3)
		rude_fail("PROGRAM PORT TLS [N]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	r.port = argv[1];
	r.tls = argv[2];
	r.server = !strcmp(r.port, "0");
	return r;
}

/* A TCP connection with the judge. */
static inline int rude_tcp(const struct rude *r)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(r->port))};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), met;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!r->server && connect(fd, (struct sockaddr *)&address, size))
		rude_fail("connect");
	if (!r->server)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		rude_fail("listen");
	printf("listening %d\n", ntohs(address.sin_port));
	met = accept(fd, NULL, NULL);
	if (met < 0 || dup2(met, fd) < 0) /* the lowest number, so that it can be reused at will */
		rude_fail("accept");
	close(met);
	return fd;
}

static inline void rude_certificate(SSL_CTX *ctx)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/cert.pem", getenv("PKI"));
	if (SSL_CTX_use_certificate_file(ctx, path, SSL_FILETYPE_PEM) != 1)
		rude_fail(path);
	snprintf(path, sizeof(path), "%s/key.pem", getenv("PKI"));
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) != 1)
		rude_fail(path);
}

static inline SSL_CTX *rude_context(const struct rude *r)
{
	SSL_CTX *ctx = SSL_CTX_new(r->server ? TLS_server_method() : TLS_client_method());
	int version = strcmp(r->tls, "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION;

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version))
		rude_fail("SSL_CTX_new");
	if (r->server)
		rude_certificate(ctx);
	return ctx;
}

static inline SSL *rude_session(const struct rude *r)
{
	SSL *ssl = SSL_new(r->ctx);

	if (!ssl)
		rude_fail("SSL_new");
	if (r->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static inline void rude_shake_hands(SSL *ssl)
{
	if (SSL_do_handshake(ssl) != 1)
		rude_fail("handshake");
}

static inline void rude_write(SSL *ssl, int n)
{
	char letters[26 * 500];

	for (size_t i = 0; i < sizeof(letters); i++)
		letters[i] = (char)('a' + i % 26);
	for (int part; n > 0; n -= part) {
		part = n < (int)sizeof(letters) ? n : (int)sizeof(letters);
		if (SSL_write(ssl, letters, part) != part)
			rude_fail("SSL_write");
	}
}

/* Without TLS yet. */
static inline struct rude rude_connect(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);

	r.ctx = rude_context(&r);
	r.fd = rude_tcp(&r);
	return r;
}

/* A session on what is connected, and N bytes. */
static inline void rude_speak(struct rude *r)
{
	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	rude_write(r->ssl, r->n);
}

/* All that comes before the sin. */
static inline struct rude rude_meet(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);

	rude_speak(&r);
	return r;
}

/* Goes on as a careful program does: N more bytes, a proper end. Returns the exit status. */
static inline int rude_goes_on(struct rude *r)
{
	rude_write(r->ssl, r->n);
	if (SSL_shutdown(r->ssl) < 0)
		rude_fail("SSL_shutdown");
	SSL_free(r->ssl);
	close(r->fd);
	SSL_CTX_free(r->ctx);
	return 0;
}

/* Ends this process without running a line of code that is not the kernel's. */
static inline void __attribute__((noreturn)) rude_vanish(void)
{
	rude_raw(SYS_exit_group, 0);
	__builtin_unreachable();
}

static inline void rude_wait_for(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		rude_fail("child");
}

static inline void *rude_idle(void *unused)
{
	pause();
	return unused;
}

/* A second one, which does nothing. */
static inline void rude_has_threads(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, rude_idle, NULL))
		rude_fail("pthread_create");
}

#ifdef __SANITIZE_THREAD__ /* which has a thread of its own */
#define RUDE_THREADS 2
#else
#define RUDE_THREADS 1
#endif

/* Gives up CAP_NET_ADMIN, or takes it again. Only this thread does. */
static inline void rude_net_admin(bool have)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, rights))
		rude_fail("capget");
	rights[0].effective &= ~(1U << CAP_NET_ADMIN);
	if (have)
		rights[0].effective |= 1U << CAP_NET_ADMIN;
	if (syscall(SYS_capset, &header, rights))
		rude_fail("capset");
}

/* Lives until no other thread of this process does. */
static inline void rude_alone(void)
{
	DIR *tasks;
	int threads;

	do {
		usleep(1000);
		tasks = opendir("/proc/self/task");
		for (threads = -2; tasks && readdir(tasks); threads++) /* . and .. */
			;
		if (tasks)
			closedir(tasks);
	} while (threads > RUDE_THREADS);
}

static inline void rude_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		rude_fail("O_NONBLOCK");
}

/* Until the peer has acknowledged all that was written: then even RST can't take it back. */
static inline void rude_flushed(int fd)
{
	struct pollfd gone = {.fd = fd};

	for (int unsent = 1; unsent > 0;) {
		if (ioctl(fd, SIOCOUTQ, &unsent))
			rude_fail("SIOCOUTQ");
		if (unsent && poll(&gone, 1, 1) > 0) /* by RST: what was not acknowledged stays so */
			rude_fail("reset");
	}
}

/* Tells a judge that is the server: now is the time for its --first, or to give up. It may have ended by itself. */
static inline void rude_now(void)
{
	const char *judge = getenv("JUDGE_PID");

	if (judge)
		kill(atoi(judge), SIGUSR1);
}

/* Carries what has come from one end to the other; false once it has carried the end. */
static inline bool rude_carry(int from, int to)
{
	char bytes[16384];
	ssize_t got = read(from, bytes, sizeof(bytes)), put = 0;

	for (ssize_t done = 0; done < got && put >= 0; done += put)
		put = send(to, bytes + done, (size_t)(got - done), MSG_NOSIGNAL);
	if (got <= 0)
		shutdown(to, SHUT_WR);
	return got > 0;
}

/* Puts a unix socket between program and judge: a child without TLS carries the bytes. Returns our end. */
static inline int rude_unix(int wire, pid_t *carrier)
{
	struct pollfd ends[2] = {{.events = POLLIN}, {.fd = wire, .events = POLLIN}};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || (*carrier = fork()) < 0)
		rude_fail("socketpair");
	close(pair[*carrier ? 1 : 0]);
	if (*carrier) {
		close(wire);
		return pair[0];
	}
	ends[0].fd = pair[1];
	while ((ends[0].fd >= 0 || ends[1].fd >= 0) && poll(ends, 2, -1) > 0) {
		if (ends[0].revents && !rude_carry(pair[1], wire))
			ends[0].fd = -1;
		if (ends[1].revents && !rude_carry(wire, pair[1]))
			ends[1].fd = -1;
	}
	rude_vanish();
}

static inline void rude_tell(const char *call, long ret)
{
	int error = errno;

	printf("%s = %ld errno %d queue %lx\n", call, ret, error, ERR_peek_error());
}

#define TELL(call)      (errno = 0, rude_tell(#call, (call)))
#define TELL_VOID(call) (errno = 0, (call), rude_tell(#call, 0))

#endif
