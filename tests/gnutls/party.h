/* SPDX-License-Identifier: MIT
 * What the programs over GnuTLS share, as rude.h is for OpenSSL: they connect, shake hands, write N bytes, and then commit their
 * one sin, or none.
 *
 *     PROGRAM PORT TLS [N]    as in rude.h, of which all is used that is not OpenSSL's */
#ifndef PARTY_H
#define PARTY_H

#include <openssl/err.h>
#ifndef WITH_OPENSSL
#define ERR_print_errors_fp(file) ((void)(file))
#define ERR_peek_error()          0UL
#endif
#include "rude.h"

#include <gnutls/gnutls.h>

struct party {
	struct rude r; /* its sockets, and nothing of OpenSSL's */
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	unsigned int flags; /* for gnutls_init, more than the role */
};

static inline void __attribute__((noreturn)) party_fail(const char *what, long error)
{
	fprintf(stderr, "%s: %s\n", what, gnutls_strerror((int)error));
	rude_raw(SYS_exit_group, 99);
	__builtin_unreachable();
}

static inline void party_credentials(struct party *p)
{
	char certificate[1024], key[1024];
	int error = gnutls_certificate_allocate_credentials(&p->credentials);

	if (!error && p->r.server) {
		snprintf(certificate, sizeof(certificate), "%s/cert.pem", getenv("PKI"));
		snprintf(key, sizeof(key), "%s/key.pem", getenv("PKI"));
		error = gnutls_certificate_set_x509_key_file(p->credentials, certificate, key,
							     GNUTLS_X509_FMT_PEM);
	}
	if (error < 0)
		party_fail("credentials", error);
}

/* Without TLS yet. */
static inline struct party party_connect(int argc, char **argv)
{
	struct party p = {.r = rude_arguments(argc, argv)};

	party_credentials(&p);
	p.r.fd = rude_tcp(&p.r);
	return p;
}

/* A session that has no transport yet. */
static inline void party_session(struct party *p)
{
	const char *version =
		strcmp(p->r.tls, "1.2") ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" : "NORMAL:-VERS-ALL:+VERS-TLS1.2";
	int error = gnutls_init(&p->session, (p->r.server ? GNUTLS_SERVER : GNUTLS_CLIENT) | p->flags);

	if (!error)
		error = gnutls_priority_set_direct(p->session, version, NULL);
	if (!error)
		error = gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, p->credentials);
	if (error < 0)
		party_fail("session", error);
}

static inline void party_shake_hands(struct party *p)
{
	int error;

	do
		error = gnutls_handshake(p->session);
	while (error < 0 && !gnutls_error_is_fatal(error));
	if (error < 0)
		party_fail("handshake", error);
}

static inline void party_write(struct party *p, int n)
{
	char letters[26 * 500];

	for (size_t i = 0; i < sizeof(letters); i++)
		letters[i] = (char)('a' + i % 26);
	for (int part; n > 0; n -= part) {
		ssize_t put;

		part = n < (int)sizeof(letters) ? n : (int)sizeof(letters);
		put = gnutls_record_send(p->session, letters, (size_t)part);
		if (put != part)
			party_fail("write", put);
	}
}

/* A handshake over the transport that the session has, and N bytes. */
static inline void party_speak(struct party *p)
{
	party_shake_hands(p);
	party_write(p, p->r.n);
}

/* All that comes before the sin. */
static inline struct party party_meet(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);

	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	party_speak(&p);
	return p;
}

/* The next byte of the peer's, past tickets. Returns what the last call did. */
static inline ssize_t party_read(struct party *p, void *bytes, size_t length)
{
	ssize_t got;

	do
		got = gnutls_record_recv(p->session, bytes, length);
	while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
	return got;
}

/* The end that most of them have. */
static inline int party_ends(struct party *p)
{
	TELL_VOID(gnutls_deinit(p->session));
	TELL(close(p->r.fd));
	gnutls_certificate_free_credentials(p->credentials);
	return 0;
}

/* Goes on as a careful program does: N more bytes, a proper end. */
static inline int party_goes_on(struct party *p)
{
	int error;

	party_write(p, p->r.n);
	error = gnutls_bye(p->session, GNUTLS_SHUT_WR);
	if (error)
		party_fail("bye", error);
	return party_ends(p);
}

/* A transport of the program's own: a buffer of nothing, in front of the descriptor. */
struct party_pipe {
	int fd;
};

static inline ssize_t party_push(gnutls_transport_ptr_t pointer, const void *bytes, size_t length)
{
	return send(((struct party_pipe *)pointer)->fd, bytes, length, MSG_NOSIGNAL);
}

static inline ssize_t party_vec_push(gnutls_transport_ptr_t pointer, const giovec_t *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};

	return sendmsg(((struct party_pipe *)pointer)->fd, &message, MSG_NOSIGNAL);
}

static inline ssize_t party_pull(gnutls_transport_ptr_t pointer, void *bytes, size_t length)
{
	return recv(((struct party_pipe *)pointer)->fd, bytes, length, 0);
}

static inline void party_pipes(struct party *p, struct party_pipe *pipe)
{
	pipe->fd = p->r.fd;
	gnutls_transport_set_ptr(p->session, pipe);
	gnutls_transport_set_pull_function(p->session, party_pull);
}

/* Fills the socket with records of `length` bytes until one does not fit; counts those that did in r.n. */
static inline void party_fill(struct party *p, size_t length)
{
	static char letters[1 << 18];
	int small = 8192;
	ssize_t put;

	memset(letters, 'r', sizeof(letters));
	setsockopt(p->r.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rude_nonblocking(p->r.fd);
	while ((put = gnutls_record_send(p->session, letters, length)) > 0)
		p->r.n += (int)put;
	if (put != GNUTLS_E_AGAIN)
		party_fail("E_AGAIN", put);
}

/* A unix socket whose other end carries nothing yet: `wakes` it. Filled by N bytes to the brim. */
static inline pid_t party_stalls(struct party *p)
{
	int full = 0, status;
	pid_t carrier;

	p->r.fd = rude_unix(p->r.fd, &carrier); /* whose buffer has a sharp edge, TCP's has not */
	party_session(p);
	gnutls_transport_set_int(p->session, p->r.fd);
	party_shake_hands(p);
	kill(carrier, SIGSTOP);
	if (waitpid(carrier, &status, WUNTRACED) != carrier)
		rude_fail("SIGSTOP");
	party_write(p, p->r.n);
	ioctl(p->r.fd, SIOCOUTQ, &full);
	full /= 2; /* the kernel doubles it */
	setsockopt(p->r.fd, SOL_SOCKET, SO_SNDBUF, &full, sizeof(full));
	rude_nonblocking(p->r.fd);
	return carrier;
}

#endif
