/* SPDX-License-Identifier: MIT
 * What the files of OpenSSL's back end share: the functions of libssl and libcrypto that they call, and what they ask of a BIO.
 * Built without OpenSSL's headers: the prototypes stand in the list below and a test compiles them against the real ones. */
#ifndef CN_OPENSSL_H
#define CN_OPENSSL_H

#include "openssl_types.h"

typedef struct bio_st BIO;
typedef struct ssl_session_st SSL_SESSION;
typedef struct crypto_ex_data_st CRYPTO_EX_DATA;
typedef void info_callback(const SSL *ssl, int where, int ret);
typedef long bio_callback(BIO *bio, int call, const char *bytes, int length, long size, long ret);
typedef long bio_callback_ex(BIO *bio, int call, const char *bytes, size_t length, int option, long size,
			     int ret, size_t *done);
typedef void ex_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
typedef void ex_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
/* 1.1.1 says void *from_d, 3.0 void **from_d; both mean the address of the copied pointer. */
typedef int ex_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **from_d, int idx, long argl,
		   void *argp);

/* NEED(return type, name, parameters): without it the shim stays out of the library.
 * MAY(...): NULL where the version lacks it. */
#define OPENSSL_USES                                                                                         \
	NEED(int, CRYPTO_get_ex_new_index, (int, long, void *, ex_new *, ex_dup *, ex_free *))               \
	NEED(void *, SSL_get_ex_data, (const SSL *, int))                                                    \
	NEED(int, SSL_set_ex_data, (SSL *, int, void *))                                                     \
	NEED(int, SSL_get_error, (const SSL *, int))                                                         \
	NEED(int, SSL_want, (const SSL *))                                                                   \
	NEED(int, SSL_get_shutdown, (const SSL *))                                                           \
	NEED(void, SSL_set_shutdown, (SSL *, int))                                                           \
	NEED(int, SSL_get_quiet_shutdown, (const SSL *))                                                     \
	NEED(void, SSL_set_quiet_shutdown, (SSL *, int))                                                     \
	NEED(int, SSL_is_init_finished, (const SSL *))                                                       \
	NEED(int, SSL_has_pending, (const SSL *))                                                            \
	NEED(int, SSL_is_server, (const SSL *))                                                              \
	NEED(int, SSL_is_dtls, (const SSL *))                                                                \
	NEED(uint64_t, SSL_get_options, (const SSL *))                                                       \
	NEED(long, SSL_ctrl, (SSL *, int, long, void *))                                                     \
	NEED(SSL_SESSION *, SSL_get_session, (const SSL *))                                                  \
	NEED(size_t, SSL_get_finished, (const SSL *, void *, size_t))                                        \
	NEED(const char *, SSL_get_version, (const SSL *))                                                   \
	NEED(const char *, SSL_get_servername, (const SSL *, int))                                           \
	NEED(info_callback *, SSL_get_info_callback, (const SSL *))                                          \
	NEED(void, SSL_set_info_callback, (SSL *, info_callback *))                                          \
	NEED(size_t, SSL_get_client_random, (const SSL *, unsigned char *, size_t))                          \
	NEED(size_t, SSL_get_server_random, (const SSL *, unsigned char *, size_t))                          \
	NEED(uint64_t, BIO_number_written, (BIO *))                                                          \
	NEED(uint64_t, BIO_number_read, (BIO *))                                                             \
	NEED(BIO *, SSL_get_rbio, (const SSL *))                                                             \
	NEED(BIO *, SSL_get_wbio, (const SSL *))                                                             \
	NEED(void, SSL_set0_rbio, (SSL *, BIO *))                                                            \
	NEED(void, SSL_set0_wbio, (SSL *, BIO *))                                                            \
	NEED(BIO *, BIO_new, (const void *))                                                                 \
	NEED(const void *, BIO_s_socket, (void))                                                             \
	NEED(const void *, BIO_s_fd, (void))                                                                 \
	NEED(const void *, BIO_s_connect, (void))                                                            \
	NEED(const void *, BIO_f_buffer, (void))                                                             \
	NEED(const void *, BIO_f_ssl, (void))                                                                \
	NEED(const char *, BIO_method_name, (const BIO *))                                                   \
	NEED(const void *, BIO_s_mem, (void))                                                                \
	NEED(const void *, BIO_s_null, (void))                                                               \
	NEED(BIO *, BIO_new_socket, (int, int))                                                              \
	NEED(int, BIO_free, (BIO *))                                                                         \
	NEED(int, BIO_up_ref, (BIO *))                                                                       \
	NEED(BIO *, BIO_next, (BIO *))                                                                       \
	NEED(int, BIO_write, (BIO *, const void *, int))                                                     \
	NEED(int, BIO_read, (BIO *, void *, int))                                                            \
	NEED(long, BIO_ctrl, (BIO *, int, long, void *))                                                     \
	NEED(int, BIO_test_flags, (const BIO *, int))                                                        \
	NEED(int, ERR_set_mark, (void))                                                                      \
	NEED(int, ERR_pop_to_mark, (void))                                                                   \
	NEED(unsigned long, ERR_peek_last_error, (void))                                                     \
	NEED(void, BIO_clear_flags, (BIO *, int))                                                            \
	NEED(void, BIO_set_flags, (BIO *, int))                                                              \
	MAY(bio_callback *, BIO_get_callback, (const BIO *))                                                 \
	MAY(void, BIO_set_callback, (BIO *, bio_callback *))                                                 \
	MAY(void, BIO_set_callback_ex, (BIO *, bio_callback_ex *))                                           \
	MAY(bio_callback_ex *, BIO_get_callback_ex, (const BIO *))                                           \
	MAY(int, ERR_clear_last_mark, (void))                                                                \
	MAY(const char *, SSL_rstate_string, (const SSL *))                                                  \
	MAY(int, SSL_is_quic, (const SSL *))                                                                 \
	MAY(SSL *, SSL_get0_connection, (SSL *))                                                             \
	MAY(int, SSL_SESSION_is_resumable, (const SSL_SESSION *))                                            \
	NEED(int, SSL_get_early_data_status, (const SSL *))

enum own_bio { OWN_SOCKET, OWN_FD, OWN_CONNECT, OWN_BUFFER, OWN_MEMORY, OWN_SSL, OWN_NULL, OWN_BIOS };

struct openssl {
	struct cn_openssl library;   /* first: a struct cn_tls stands for it */
	const char *names[OWN_BIOS]; /* of OpenSSL's own BIOs; NULL: not known */
	int index;                   /* of our ex_data in every SSL */
	bool quiet;                  /* its writes come by our hook */
	BIO *_Atomic spare;          /* a memory BIO, NULL while a thread uses it */
#define NEED(ret, name, params) ret(*name) params;
#define MAY                     NEED
	OPENSSL_USES
#undef NEED
#undef MAY
};

/* Values of OpenSSL's headers, the same from 1.1.0 on. */
enum {
	WANT_WRITING = 2,
	MODE_MOVING_BUFFER = 2,
	RECORD_MOST = 16384,
	SENT = 1,
	RECEIVED = 2,
	ERROR_SSL = 1,
	ERROR_SYSCALL = 5,
	ERROR_ZERO_RETURN = 6,
	WANT_NOTHING = 1,
	CTRL_MODE = 33,
	MODE_ASYNC = 0x100,
	OP_IGNORE_UNEXPECTED_EOF = 0x80,
	REASON_UNEXPECTED_EOF = 294,
	REASON_MASK = 0xfff,
	LIBRARY_SSL = 20,
	EX_INDEX_SSL = 0,
	EARLY_DATA_REJECTED = 1,
	RECORD_ALERT = 21,
	CLEAR_ALERT = 7,
	BIO_RESET = 1,
	BIO_EOF = 2,
	BIO_INFO = 3,
	BIO_PENDING = 10,
	BIO_WPENDING = 13,
	BIO_KTLS_SEND = 73,
	BIO_GET_FD = 105,
	BIO_SHOULD_RETRY = 8,
	BIO_RETRY_FLAGS = 15,
};

static inline struct openssl *of(struct cn_tls *tls)
{
	return (struct openssl *)tls;
}

/* --- BIOs. Any thread that may use the session; the program's callbacks on them are not called --- */

/* The type of a BIO does not tell whose it is: libcurl gives its own BIO a type of OpenSSL's. Such a BIO may hold bytes back, and
 * its data may be freed by now. The name's address tells: for OpenSSL's BIOs it points into libcrypto, for others to a copy. */
static inline bool cn_bio_is(struct openssl *o, const BIO *bio, enum own_bio which)
{
	return bio && o->names[which] && o->BIO_method_name(bio) == o->names[which];
}

static inline bool cn_bio_is_socket(struct openssl *o, const BIO *bio)
{
	const char *name = bio ? o->BIO_method_name(bio) : NULL;

	return name &&
	       (name == o->names[OWN_SOCKET] || name == o->names[OWN_FD] || name == o->names[OWN_CONNECT]);
}

/* The program watches what goes through this BIO. */
bool cn_bio_is_watched(struct openssl *o, const BIO *bio);

/* The answer of one of OpenSSL's BIOs to a question without an argument. */
long cn_bio_ask(struct openssl *o, BIO *bio, int question);

/* The descriptor of the socket at the end of this chain; -1: none. */
int cn_bio_fd(struct openssl *o, BIO *bio);

/* The socket BIO that gets exactly the bytes written to `bio`: `bio` itself, or the one below OpenSSL's buffers; else NULL.
 * `held`: a buffer has bytes left. */
BIO *cn_bio_plain_socket(struct openssl *o, BIO *bio, bool *held);

/* A memory BIO that is at its end, not only empty. */
bool cn_bio_is_closed(struct openssl *o, BIO *memory);

/* An empty memory BIO, and what gives it back; NULL without memory. */
BIO *cn_bio_take(struct openssl *o);
void cn_bio_give(struct openssl *o, BIO *memory);

/* Learns the names of OpenSSL's own BIOs. */
void cn_bio_learn_names(struct openssl *o);

/* Libcrypto's write() comes by our hook. It does not where the library was loaded with RTLD_DEEPBIND. */
bool cn_openssl_writes_come_by(struct openssl *o);

#endif
