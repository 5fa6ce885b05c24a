/* SPDX-License-Identifier: MIT
 * What OpenSSL's sessions write to: BIOs. Invariant: a BIO that is not OpenSSL's own is never asked. */
#include "openssl.h"

/* The program watches what goes through this BIO. */
bool cn_bio_is_watched(struct openssl *o, const BIO *bio)
{
	return (o->BIO_get_callback && o->BIO_get_callback(bio)) ||
	       (o->BIO_get_callback_ex && o->BIO_get_callback_ex(bio));
}

/* Asks one of OpenSSL's BIOs. The program's callbacks on that BIO are not called. */
long cn_bio_ask(struct openssl *o, BIO *bio, int question)
{
	bio_callback *callback = o->BIO_get_callback ? o->BIO_get_callback(bio) : NULL;
	bio_callback_ex *callback_ex = o->BIO_get_callback_ex ? o->BIO_get_callback_ex(bio) : NULL;
	long answer;

	if (callback && o->BIO_set_callback)
		o->BIO_set_callback(bio, NULL);
	if (callback_ex && o->BIO_set_callback_ex)
		o->BIO_set_callback_ex(bio, NULL);
	answer = o->BIO_ctrl(bio, question, 0, NULL);
	if (callback && o->BIO_set_callback)
		o->BIO_set_callback(bio, callback);
	if (callback_ex && o->BIO_set_callback_ex)
		o->BIO_set_callback_ex(bio, callback_ex);
	return answer;
}

/* The search stops at BIO_f_ssl: the socket below it belongs to another session, which tunnels this one. */
int cn_bio_fd(struct openssl *o, BIO *bio)
{
	while (bio && !cn_bio_is_socket(o, bio) && !cn_bio_is(o, bio, OWN_SSL))
		bio = o->BIO_next(bio);
	return bio && !cn_bio_is(o, bio, OWN_SSL) ? (int)cn_bio_ask(o, bio, BIO_GET_FD) : -1;
}

/* The socket BIO that gets exactly the bytes written to `bio`: `bio` itself, or the one below OpenSSL's buffers; else NULL. Other
 * filters may encode, delay or reorder. `held`: a buffer has bytes left. A buffer answers for what is below it as well, so the
 * socket is sought first. */
BIO *cn_bio_plain_socket(struct openssl *o, BIO *bio, bool *held)
{
	BIO *socket = bio;

	*held = false;
	while (cn_bio_is(o, socket, OWN_BUFFER))
		socket = o->BIO_next(socket);
	if (!cn_bio_is_socket(o, socket))
		return NULL;
	for (; bio != socket; bio = o->BIO_next(bio))
		*held |= cn_bio_ask(o, bio, BIO_WPENDING) > 0;
	return socket;
}

/* An empty memory BIO is at its end only if a read returns 0 and not "try again". */
bool cn_bio_is_closed(struct openssl *o, BIO *memory)
{
	int flags = o->BIO_test_flags(memory, BIO_RETRY_FLAGS), got;
	char byte;

	if (cn_bio_ask(o, memory, BIO_PENDING) > 0)
		return false;
	got = o->BIO_read(memory, &byte, 1);
	o->BIO_clear_flags(memory, BIO_RETRY_FLAGS);
	o->BIO_set_flags(memory, flags);
	return got == 0;
}

BIO *cn_bio_take(struct openssl *o)
{
	BIO *memory = atomic_exchange(&o->spare, NULL);

	return memory ? memory : o->BIO_new(o->BIO_s_mem());
}

void cn_bio_give(struct openssl *o, BIO *memory)
{
	BIO *none = NULL;

	o->BIO_ctrl(memory, BIO_RESET, 0, NULL);
	if (!atomic_compare_exchange_strong(&o->spare, &none, memory))
		o->BIO_free(memory);
}

void cn_bio_learn_names(struct openssl *o)
{
	const void *(*const methods[OWN_BIOS])(void) = {o->BIO_s_socket, o->BIO_s_fd,  o->BIO_s_connect,
							o->BIO_f_buffer, o->BIO_s_mem, o->BIO_f_ssl,
							o->BIO_s_null};

	for (int i = 0; i < OWN_BIOS; i++) {
		BIO *bio = o->BIO_new(methods[i]());

		o->names[i] = bio ? o->BIO_method_name(bio) : NULL;
		if (bio)
			o->BIO_free(bio);
	}
}
