/* SPDX-License-Identifier: MIT
 * What the files of GnuTLS's back end share: the functions of libgnutls that they call. Built without its headers: the prototypes
 * stand in the list below and a test compiles them against the real ones. */
#ifndef CN_GNUTLS_H
#define CN_GNUTLS_H

#include "gnutls_types.h"

typedef struct {
	unsigned char *data;
	unsigned int size;
} gnutls_datum_t;

/* NEED(return type, name, parameters): without it the shim stays out of the library.
 * MAY(...): NULL where the version lacks it. */
#define GNUTLS_USES                                                                                          \
	NEED(void, gnutls_session_get_random, (gnutls_session_t, gnutls_datum_t *, gnutls_datum_t *))        \
	NEED(void, gnutls_transport_get_int2, (gnutls_session_t, int *, int *))                              \
	NEED(void, gnutls_transport_get_ptr2,                                                                \
	     (gnutls_session_t, gnutls_transport_ptr_t *, gnutls_transport_ptr_t *))                         \
	NEED(size_t, gnutls_record_check_pending, (gnutls_session_t))                                        \
	NEED(size_t, gnutls_record_check_corked, (gnutls_session_t))                                         \
	NEED(int, gnutls_record_get_direction, (gnutls_session_t))                                           \
	NEED(int, gnutls_error_is_fatal, (int))                                                              \
	NEED(unsigned int, gnutls_protocol_get_version, (gnutls_session_t))                                  \
	NEED(const char *, gnutls_strerror_name, (int))                                                      \
	NEED(int, gnutls_server_name_get,                                                                    \
	     (gnutls_session_t, void *, size_t *, unsigned int *, unsigned int))                             \
	NEED(unsigned int, gnutls_handshake_get_last_in, (gnutls_session_t))                                 \
	NEED(unsigned int, gnutls_handshake_get_last_out, (gnutls_session_t))                                \
	MAY(unsigned int, gnutls_transport_is_ktls_enabled, (gnutls_session_t))

struct gnutls {
	struct cn_tls tls;
	struct cn_libgnutls real;
#define NEED(ret, name, params) ret(*name) params;
#define MAY                     NEED
	GNUTLS_USES
#undef NEED
#undef MAY
};

/* Values of GnuTLS's headers, the same in all its versions. */
enum {
	SERVER = 1,
	DATAGRAM = 1 << 2,
	AUTO_REAUTH = 1 << 19,
	SHUT_WRITE = 1,
	AL_WARNING = 1,
	A_CLOSE_NOTIFY = 0,
	NAME_DNS = 1,
	TLS_1_2 = 4,
	FINISHED = 20,
	WRITING = 1, /* gnutls_record_get_direction */
};

static inline struct gnutls *of(const struct cn_tls *tls)
{
	return (struct gnutls *)tls;
}

/* Of all parts. */
static inline ssize_t cn_gnutls_length(const struct iovec *parts, int count)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].iov_len;
	return (ssize_t)length;
}

/* Sets the program's push function again, or the library's own. The caller holds the session's lock, or the session is being ended. */
void cn_gnutls_put_back(struct cn_gnutls *g);

#endif
