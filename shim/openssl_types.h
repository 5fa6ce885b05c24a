/* SPDX-License-Identifier: MIT
 * OpenSSL's types and the real functions behind its hooks. */
#ifndef CN_OPENSSL_TYPES_H
#define CN_OPENSSL_TYPES_H

#include "tls.h"

/* Its types are opaque here: the shim is built without its headers and works with several versions. */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef void cn_msg_callback(int write, int version, int type, const void *bytes, size_t length, SSL *ssl,
			     void *argument);
typedef size_t cn_padding_callback(SSL *ssl, int type, size_t length, void *argument);

struct cn_libssl {
#define HOOKS_OF                               HOME_OPENSSL
#define HOOK(ret, name, params, home, purpose) ret(*name) params;
#include "hooks.def"
#undef HOOK
};

/* One loaded libssl. The rest of it is private to the back end (openssl.h). */
struct cn_openssl {
	struct cn_tls tls;
	struct cn_libssl real;
};

/* The real functions of a library of this kind. */
static inline const struct cn_libssl *cn_openssl_real(const struct cn_tls *tls)
{
	return &((const struct cn_openssl *)tls)->real;
}

#endif
