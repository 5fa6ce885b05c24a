/* SPDX-License-Identifier: MIT
 * The real functions behind the hooks: libc's by RTLD_NEXT, SSL_* in the libssl of the caller. Invariant:
 * knows libraries, not connections. */
#ifndef CN_REAL_H
#define CN_REAL_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* OpenSSL's types are opaque here: the shim is built without its headers and works with several versions. */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

/* GnuTLS's too; its enumerations are unsigned int. */
typedef struct gnutls_session_int *gnutls_session_t;
typedef struct mbuffer_st *gnutls_packet_t;
typedef void *gnutls_transport_ptr_t;
typedef ssize_t (*gnutls_push_func)(gnutls_transport_ptr_t pointer, const void *bytes, size_t length);
typedef ssize_t (*gnutls_vec_push_func)(gnutls_transport_ptr_t pointer, const struct iovec *parts, int count);
typedef ssize_t (*gnutls_pull_func)(gnutls_transport_ptr_t pointer, void *bytes, size_t length);
typedef int (*gnutls_alert_read_func)(gnutls_session_t session, unsigned int encryption, unsigned int level,
				      unsigned int alert);

#define FIELD_none(ret, name, params)
#define FIELD_some(ret, name, params) ret(*name) params;

struct cn_libc {
#define FIELD_LIBC                             FIELD_some
#define FIELD_SSL                              FIELD_none
#define FIELD_GNUTLS                           FIELD_none
#define HOOK(ret, name, params, home, purpose) FIELD_##home(ret, name, params)
#include "hooks.def"
#undef HOOK
#undef FIELD_LIBC
#undef FIELD_SSL
#undef FIELD_GNUTLS
};

struct cn_libssl {
#define FIELD_LIBC                             FIELD_none
#define FIELD_SSL                              FIELD_some
#define FIELD_GNUTLS                           FIELD_none
#define HOOK(ret, name, params, home, purpose) FIELD_##home(ret, name, params)
#include "hooks.def"
#undef HOOK
#undef FIELD_LIBC
#undef FIELD_SSL
#undef FIELD_GNUTLS
};

struct cn_libgnutls {
#define FIELD_LIBC                             FIELD_none
#define FIELD_SSL                              FIELD_none
#define FIELD_GNUTLS                           FIELD_some
#define HOOK(ret, name, params, home, purpose) FIELD_##home(ret, name, params)
#include "hooks.def"
#undef HOOK
#undef FIELD_LIBC
#undef FIELD_SSL
#undef FIELD_GNUTLS
};

struct cn_tls;

extern struct cn_libc cn_libc_table;

/* Fills the table. The constructor calls it; a hook that comes earlier (another library's constructor) calls
 * it itself. Repeating it is harmless. */
void cn_libc_find(void);

/* The real libc functions; any thread, signal handlers included once the constructor has run. A member is
 * NULL where this libc lacks the function. */
static inline const struct cn_libc *cn_libc(void)
{
	if (__builtin_expect(!cn_libc_table.close, 0))
		cn_libc_find();
	return &cn_libc_table;
}

/* The first TLS library that was met, which knows the next; NULL: none yet. */
extern struct cn_tls *_Atomic cn_libraries;

/* The TLS library that an object of its making belongs to: among the first `count` words of it is a pointer to the library's
 * table of methods (SSL: OpenSSL 1.1 to 3.6 among the first 4). NULL if no library can be found. Any thread. The
 * first call for a library looks through the loaded objects; every later one is a few compares.
 *
 * Return addresses will not do alone: libssl ends functions in jumps (SSL_connect to SSL_do_handshake), and a program that
 * has its functions by dlsym() on a handle may be bound to none, or call several from one place. */
struct cn_tls *cn_tls_of(const void *const *words, int count, const void *caller);

/* The one that the code at `caller` (a return address) is bound to; else any there is. Any thread. */
struct cn_tls *cn_tls_of_caller(const void *caller);

#endif
