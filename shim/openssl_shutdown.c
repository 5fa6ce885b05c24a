/* SPDX-License-Identifier: MIT
 * The program's own SSL_shutdown: without SIGPIPE, on a copy of its descriptor, without any, or with a wait for the peer. Invariant:
 * the session has its BIOs and the thread its signal mask again, however the call ends. */
#include "kernel.h"
#include "match.h"
#include "openssl.h"
#include "thread.h"
#include "tls_openssl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

/* The clean-up runs at the end of the scope, and also when an exception or a cancelled thread leaves it. */
#define UNDONE_BY(function) __attribute__((cleanup(function)))

struct held_write {
	struct openssl *o;
	SSL *ssl;
	BIO *old, *held;
};

static void give_back(const struct held_write *write)
{
	struct openssl *o = write->o;

	if (!write->held)
		return;
	/* SSL_get_error asks the BIO. */
	o->BIO_clear_flags(write->old, BIO_RETRY_FLAGS);
	o->BIO_set_flags(write->old, o->BIO_test_flags(write->held, BIO_RETRY_FLAGS));
	o->SSL_set0_wbio(write->ssl, write->old);
	o->BIO_free(write->held);
}

static bool takes_copy(struct openssl *o, BIO *wbio, int fd)
{
	return fd >= 0 && cn_bio_is_socket(o, wbio) && !cn_bio_is_watched(o, wbio);
}

/* `fd`: a copy of the socket, to which this call writes; -1: the session's own. The read BIO stays in place: a call that writes
 * reads nothing, and SSL_get_fd goes on to name the program's descriptor. */
static int shutdown_on(struct openssl *o, SSL *ssl, int fd)
{
	UNDONE_BY(give_back) struct held_write write = {.o = o, .ssl = ssl, .old = o->SSL_get_wbio(ssl)};

	if (takes_copy(o, write.old, fd))
		write.held = o->BIO_new_socket(fd, 0);
	if (write.held) {
		/* After an unfinished write SSL_shutdown may write nothing; then the flags have to be the old ones. */
		o->BIO_set_flags(write.held, o->BIO_test_flags(write.old, BIO_RETRY_FLAGS));
		o->BIO_up_ref(write.old);
		o->BIO_up_ref(write.held);
		o->SSL_set0_wbio(ssl, write.held);
	}
	return o->library.real.SSL_shutdown(ssl);
}

struct held_signal {
	sigset_t pipe, old, pending;
};

static void take_back_signal(const struct held_signal *held)
{
	const struct timespec now = {0};
	int error = errno;
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE) && !sigismember(&held->pending, SIGPIPE))
		sigtimedwait(&held->pipe, NULL, &now);
	sigprocmask(SIG_SETMASK, &held->old, NULL);
	errno = error;
}

/* libcrypto writes without MSG_NOSIGNAL: openssl #24542, curl #3787. */
static int shutdown_without_signal(struct openssl *o, SSL *ssl, int fd)
{
	UNDONE_BY(take_back_signal) struct held_signal held;

	sigpending(&held.pending);
	sigemptyset(&held.pipe);
	sigaddset(&held.pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &held.pipe, &held.old); /* of this thread */
	return shutdown_on(o, ssl, fd);
}

struct quiet {
	int outer;
};

static void quiet_over(const struct quiet *quiet)
{
	cn_quiet_fd = quiet->outer;
	atomic_fetch_sub(&cn_seekers, 1);
}

static void quiet_begins(struct quiet *quiet, int fd)
{
	quiet->outer = cn_quiet_fd;
	cn_quiet_fd = fd;
	cn_quiet_put = 0;
	atomic_fetch_add(&cn_seekers, 1);
}

bool cn_openssl_writes_come_by(struct openssl *o)
{
	int error = errno;
	BIO *nowhere = o->BIO_new_socket(-1, 0);
	struct quiet quiet;
	bool seen;

	quiet_begins(&quiet, -1);
	if (nowhere)
		o->BIO_write(nowhere, "", 1);
	seen = cn_quiet_fd == 0;
	quiet_over(&quiet);
	if (nowhere)
		o->BIO_free(nowhere);
	errno = error;
	return seen;
}

static int shutdown_quietly(struct openssl *o, SSL *ssl, int copy, int fd)
{
	UNDONE_BY(quiet_over) struct quiet quiet;

	quiet_begins(&quiet, fd + 1);
	return shutdown_on(o, ssl, copy);
}

bool cn_openssl_shutdown_quietly(struct cn_tls *tls, SSL *ssl, int copy, int fd, int *ret, size_t *put)
{
	struct openssl *o = of(tls);

	if (!o->quiet)
		return false;
	*ret = shutdown_quietly(o, ssl, copy, takes_copy(o, o->SSL_get_wbio(ssl), copy) ? copy : fd);
	*put = cn_quiet_put;
	return true;
}

int cn_openssl_shutdown(struct cn_tls *tls, SSL *ssl, int fd)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		return shutdown_on(of(tls), ssl, fd);
	return shutdown_without_signal(of(tls), ssl, fd);
}

int cn_openssl_shutdown_nowhere(struct cn_tls *tls, SSL *ssl, bool first)
{
	struct openssl *o = of(tls);
	BIO *nowhere = o->BIO_new_socket(-1, 0), *rbio = o->SSL_get_rbio(ssl), *wbio = o->SSL_get_wbio(ssl);
	int ret, error;

	if (!nowhere || !rbio || !wbio) {
		errno = EBADF;
		return -1;
	}
	o->BIO_up_ref(rbio);
	o->BIO_up_ref(wbio);
	o->BIO_up_ref(nowhere);
	o->SSL_set0_rbio(ssl, nowhere);
	o->BIO_up_ref(nowhere);
	o->SSL_set0_wbio(ssl, nowhere);
	if (first) /* it has to fail in writing: from 3.2 on the error queue tells writing from reading */
		o->SSL_set_shutdown(ssl, o->SSL_get_shutdown(ssl) & ~SENT);
	ret = o->library.real.SSL_shutdown(ssl);
	error = errno;
	o->SSL_set0_rbio(ssl, rbio);
	o->SSL_set0_wbio(ssl, wbio);
	o->BIO_free(nowhere);
	errno = error;
	return ret;
}

/* Feeds what has arrived to the session, up to the first byte of data. That byte stays in the session: after its own goodbye a
 * program may read on (RFC 8446 6.1). The socket is read without blocking, a byte at a time, into a memory BIO. So the session
 * takes every byte, and the socket keeps all that follows the deciding record. The session does not see the end of file. */
static enum cn_outcome look_ahead(struct openssl *o, SSL *ssl, BIO *memory, int fd)
{
	enum cn_outcome seen;
	ssize_t got;
	char byte;
	int ret;

	do {
		ret = o->library.real.SSL_peek(ssl, &byte, 1);
		if (ret > 0)
			return CN_OUT_REFUSED;
		seen = o->library.tls.ops->outcome(&o->library.tls, ssl, ret);
		if (seen != CN_OUT_WANT)
			return seen;
		got = recv(fd, &byte, 1, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return CN_OUT_TRUNCATED;
		if (got < 0)
			return CN_OUT_WANT;
		o->BIO_write(memory, &byte, 1);
	} while (true);
}

struct swapped_read {
	struct openssl *o;
	SSL *ssl;
	BIO *old, *memory;
	bool failed; /* what is in the error queue is the program's to see */
};

static void swap_back(const struct swapped_read *read)
{
	if (!read->memory)
		return;
	if (!read->failed)
		read->o->ERR_pop_to_mark();
	else if (read->o->ERR_clear_last_mark)
		read->o->ERR_clear_last_mark();
	read->o->SSL_set0_rbio(read->ssl, read->old);
	cn_bio_give(read->o, read->memory);
}

int cn_openssl_shutdown_both(struct cn_tls *tls, SSL *ssl, int *own, unsigned int wait_ms)
{
	struct openssl *o = of(tls);
	/* What a filter before the socket has read already can't be seen. */
	int fd = cn_bio_is_socket(o, o->SSL_get_rbio(ssl)) ? cn_bio_fd(o, o->SSL_get_rbio(ssl)) : -1;
	int write_fd = cn_bio_fd(o, o->SSL_get_wbio(ssl));
	UNDONE_BY(swap_back) struct swapped_read read = {.o = o, .ssl = ssl};
	enum cn_outcome seen = CN_OUT_WANT;
	int64_t end = cn_now_us() + (int64_t)wait_ms * 1000;

	/* Our own alert first, if the socket could not take it. */
	while (*own < 0 && tls->ops->outcome(tls, ssl, *own) == CN_OUT_WANT_WRITE) {
		struct pollfd can_write = {.fd = write_fd, .events = POLLOUT};
		int64_t left = (end - cn_now_us()) / 1000;

		if (left <= 0 || poll(&can_write, 1, (int)left) == 0)
			return *own;
		*own = cn_openssl_shutdown(tls, ssl, -1);
	}
	if (*own != 0)
		return *own;

	read.old = o->SSL_get_rbio(ssl);
	read.memory = fd < 0 ? NULL : cn_bio_take(o);
	if (!read.memory)
		return 0;
	o->BIO_up_ref(read.old);
	o->BIO_up_ref(read.memory);
	o->SSL_set0_rbio(ssl, read.memory);
	o->ERR_set_mark();
	while ((seen = look_ahead(o, ssl, read.memory, fd)) == CN_OUT_WANT) {
		struct pollfd can_read = {.fd = fd, .events = POLLIN};
		int64_t left = (end - cn_now_us()) / 1000;

		if (left <= 0)
			break;
		poll(&can_read, 1, (int)left);
	}
	read.failed = seen == CN_OUT_FATAL;
	return read.failed ? -1 : seen == CN_OUT_CLOSED ? 1 : 0;
}
