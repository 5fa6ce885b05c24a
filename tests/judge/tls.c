// SPDX-License-Identifier: MIT
/* The judge's TLS: whole records to OpenSSL, one by one, and what came of them, in order. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static SSL_SESSION *kept_session; /* the client's newest session, for --repeat and --session-file */

static bool collapses(const char *word)
{
	return !strcmp(word, "data") || !strcmp(word, "garbage");
}

void note(struct peer *p, const char *prefix, const char *word)
{
	char *slot;

	if (p->order_size && collapses(word) && !strcmp(p->order[p->order_size - 1], word))
		return;
	if (p->order_size == ORDER_SIZE) {
		strcpy(p->order[ORDER_SIZE - 1], "...");
		return;
	}
	slot = p->order[p->order_size++];
	snprintf(slot, ORDER_WORD, "%s%s", prefix, word);
}

/* RFC 8446 6.2 names: OpenSSL writes them with blanks and a few capitals. */
static void alert_name(char *name, size_t size, int description)
{
	size_t i;

	snprintf(name, size, "%s", SSL_alert_desc_string_long(description));
	for (i = 0; name[i]; i++) {
		if (name[i] == ' ')
			name[i] = '_';
		else if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + 'a' - 'A');
	}
}

static void alert_received(struct peer *p, int level, int description)
{
	char name[ORDER_WORD - 10];
	bool warning = level != ALERT_FATAL;

	/* RFC 8446 6: the level means nothing in TLS 1.3, the description everything. */
	if (opt.tls13)
		warning = description == SSL_AD_CLOSE_NOTIFY || description == SSL_AD_USER_CANCELLED;
	alert_name(name, sizeof(name), description);
	if (warning && description == SSL_AD_CLOSE_NOTIFY) {
		p->close_notify++;
		note(p, "", "close_notify");
	} else if (warning) {
		note(p, "warning:", name);
	} else {
		p->broken = true;
		snprintf(p->fatal, sizeof(p->fatal), "%s", name);
		note(p, "fatal:", name);
	}
}

void broke(struct peer *p, const char *reason)
{
	p->broken = true;
	if (!p->error[0])
		snprintf(p->error, sizeof(p->error), "%s", reason ? reason : "unknown TLS error");
}

/* HKDF-Expand-Label, RFC 8446 7.1, for no more than one block of the hash. */
static void expand(const struct peer *p, const char *label, unsigned char *out, int size)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(p->ssl));
	unsigned char info[64], block[EVP_MAX_MD_SIZE];
	size_t n = strlen(label);

	info[0] = 0;
	info[1] = (unsigned char)size;
	info[2] = (unsigned char)(6 + n);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n);
	info[9 + n] = 0; /* no context */
	info[10 + n] = 1;
	if (!HMAC(md, p->secret, p->secret_size, info, 11 + n, block, NULL))
		die_openssl("HMAC");
	memcpy(out, block, (size_t)size);
}

/* The peer has sent KeyUpdate: RFC 8446 7.2. */
static void next_secret(struct peer *p)
{
	if (p->secret_size)
		expand(p, "traffic upd", p->secret, p->secret_size);
	p->sequence = 0;
}

static void on_secret(const SSL *ssl, const char *line)
{
	const char *wanted = opt.server ? "CLIENT_TRAFFIC_SECRET_0 " : "SERVER_TRAFFIC_SECRET_0 ";
	struct peer *p = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	unsigned int byte;

	if (strncmp(line, wanted, strlen(wanted)))
		return;
	p->secret_size = 0;
	for (hex++; p->secret_size < EVP_MAX_MD_SIZE && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		p->secret[p->secret_size++] = (unsigned char)byte;
}

/* Decrypts a TLS 1.3 record (RFC 8446 5.2) into plain; the last byte is its content type. Size, or 0. */
static int open_record(const struct peer *p, const unsigned char *record, size_t size, unsigned char *plain)
{
	const EVP_CIPHER *cipher =
		EVP_get_cipherbynid(SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(p->ssl)));
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char key[EVP_MAX_KEY_LENGTH], nonce[12], tag[16];
	int i, n = 0, end = 0, body = (int)size - HEADER_SIZE - (int)sizeof(tag);

	if (!ctx || !cipher || body < 1)
		goto out;
	expand(p, "key", key, EVP_CIPHER_key_length(cipher));
	expand(p, "iv", nonce, sizeof(nonce));
	for (i = 0; i < 8; i++)
		nonce[4 + i] ^= (unsigned char)(p->sequence >> (56 - 8 * i));
	memcpy(tag, record + HEADER_SIZE + body, sizeof(tag));
	if (EVP_DecryptInit_ex(ctx, cipher, NULL, key, nonce) &&
	    EVP_DecryptUpdate(ctx, NULL, &n, record, HEADER_SIZE) &&
	    EVP_DecryptUpdate(ctx, plain, &n, record + HEADER_SIZE, body) &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) &&
	    EVP_DecryptFinal_ex(ctx, plain + n, &end))
		while (n && !plain[n - 1]) /* padding */
			n--;
	else
		n = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	return n;
}

/*
 * From 3.2 on, OpenSSL never lets go of a TLS 1.3 close_notify: its next read finds the same record again. So
 * what follows one is read by hand.
 */
static void record_after_end(struct peer *p, const unsigned char *record, size_t size)
{
	unsigned char plain[RECORD_SIZE];
	int n = open_record(p, record, size, plain);

	p->sequence++;
	if (n == 3 && plain[2] == SSL3_RT_ALERT) {
		alert_received(p, plain[0], plain[1]);
		return;
	}
	note(p, "", "garbage");
	if (!n)
		broke(p, "bad record mac");
}

static void on_message(int sent, int version, int type, const void *buf, size_t size, SSL *ssl, void *arg)
{
	const unsigned char *bytes = buf;
	struct peer *p = arg;

	(void)version;
	(void)ssl;
	if (type == SSL3_RT_HANDSHAKE && !sent && size && bytes[0] == SSL3_MT_KEY_UPDATE)
		next_secret(p);
	if (type != SSL3_RT_ALERT || size != 2)
		return;
	if (!sent)
		alert_received(p, bytes[0], bytes[1]);
	else if (bytes[1] == SSL_AD_CLOSE_NOTIFY)
		p->close_notify_made = true;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct peer *p = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)arg;
	if (name) {
		snprintf(p->sni, sizeof(p->sni), "%s", name);
		p->has_sni = true;
	}
	return SSL_TLSEXT_ERR_OK;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

static void data_received(struct peer *p, const unsigned char *data, size_t size)
{
	static const char blank_line[] = "\r\n\r\n";
	size_t i;

	note(p, "", "data");
	p->received += size;
	EVP_DigestUpdate(p->sha256, data, size);
	for (i = 0; i < size && !p->head_seen; i++) {
		if (data[i] == (unsigned char)blank_line[p->head_match])
			p->head_match++;
		else
			p->head_match = data[i] == '\r';
		p->head_seen = p->head_match == 4;
	}
}

/* Moves what OpenSSL wants to say to the wire; after our own goodbye nothing may follow. */
void collect(struct peer *p)
{
	char *data;
	long size = BIO_get_mem_data(p->out, &data);

	if (size > 0 && !p->closed_for_writing)
		BIO_write(p->wire, data, (int)size);
	(void)BIO_reset(p->out);
}

/* Looks at why OpenSSL stopped. Both shutdown flags are cleared each time, else it would read no further. */
static void stopped(struct peer *p, int result)
{
	int error = SSL_get_error(p->ssl, result);

	if (error == SSL_ERROR_ZERO_RETURN) {
		SSL_set_shutdown(p->ssl, 0);
	} else if (error != SSL_ERROR_WANT_READ && !p->fatal[0]) {
		broke(p, ERR_reason_error_string(ERR_peek_error()));
		if (p->handshake)
			note(p, "", "garbage");
	}
}

void continue_handshake(struct peer *p)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(p->ssl);
	if (result == 1) {
		p->handshake = true;
		note(p, "", "handshake");
	} else {
		stopped(p, result);
	}
	collect(p);
}

static void record_received(struct peer *p, const unsigned char *record, size_t size)
{
	unsigned char data[READ_SIZE];
	bool after_end = p->close_notify > 0;
	size_t events = p->order_size, n;
	int result;

	if (after_end)
		p->records_after++;
	if (p->broken) {
		if (p->handshake)
			note(p, "", "garbage");
		return;
	}
	if (after_end && p->handshake && opt.tls13) {
		record_after_end(p, record, size);
		return;
	}
	if (p->handshake && record[0] == SSL3_RT_APPLICATION_DATA)
		p->sequence++;
	BIO_write(p->in, record, (int)size);
	if (!p->handshake)
		continue_handshake(p);
	if (!p->handshake)
		return;
	ERR_clear_error();
	while ((result = SSL_read_ex(p->ssl, data, sizeof(data), &n)) == 1)
		if (!after_end) /* RFC 8446 6.1: any data after close_notify must be ignored */
			data_received(p, data, n);
	stopped(p, result);
	collect(p);
	if (after_end && p->order_size == events)
		note(p, "", "garbage");
}

static bool is_record_header(const unsigned char *h)
{
	size_t size = (size_t)h[3] << 8 | h[4];

	return h[0] >= SSL3_RT_CHANGE_CIPHER_SPEC && h[0] <= SSL3_RT_APPLICATION_DATA &&
	       h[1] == SSL3_VERSION_MAJOR && size <= RECORD_SIZE - HEADER_SIZE;
}

void cut_records(struct peer *p)
{
	size_t start = 0, size;

	while (!p->unframed && p->stream_size - start >= HEADER_SIZE) {
		const unsigned char *h = p->stream + start;

		if (!is_record_header(h)) {
			broke(p, "not a TLS record");
			p->unframed = true;
			break;
		}
		size = HEADER_SIZE + ((size_t)h[3] << 8 | h[4]);
		if (p->stream_size - start < size)
			break;
		record_received(p, h, size);
		start += size;
		if (opt.first == FIRST_FATAL)
			first_ends(p); /* OpenSSL 3.5 can break no session that has read a close_notify */
	}
	if (p->unframed) {
		note(p, "", "garbage");
		start = p->stream_size;
	}
	p->stream_size -= start;
	memmove(p->stream, p->stream + start, p->stream_size);
}

void new_session(struct peer *p, SSL_CTX *ctx)
{
	p->ssl = SSL_new(ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	p->wire = BIO_new(BIO_s_mem());
	p->sha256 = EVP_MD_CTX_new();
	if (!p->ssl || !p->in || !p->out || !p->wire || !p->sha256 ||
	    !EVP_DigestInit_ex(p->sha256, EVP_sha256(), NULL))
		die_openssl("new connection");
	BIO_set_mem_eof_return(p->in, -1); /* empty means "later", never EOF */
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_app_data(p->ssl, p);
	SSL_set_msg_callback(p->ssl, on_message);
	SSL_set_msg_callback_arg(p->ssl, p);
	if (opt.server) {
		SSL_set_accept_state(p->ssl);
		return;
	}
	SSL_set_connect_state(p->ssl);
	if (opt.sni) {
		SSL_set_tlsext_host_name(p->ssl, opt.sni);
		snprintf(p->sni, sizeof(p->sni), "%s", opt.sni);
		p->has_sni = true;
	}
	if (kept_session)
		SSL_set_session(p->ssl, kept_session);
	continue_handshake(p);
}

void forget_session(void)
{
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
}

void load_session(void)
{
	BIO *file = opt.session_file ? BIO_new_file(opt.session_file, "r") : NULL;

	if (!file)
		return;
	kept_session = PEM_read_bio_SSL_SESSION(file, NULL, NULL, NULL);
	BIO_free(file);
	if (!kept_session)
		die_openssl(opt.session_file);
}

void save_session(void)
{
	BIO *file;

	if (!opt.session_file || !kept_session)
		return;
	file = BIO_new_file(opt.session_file, "w");
	if (!file || !PEM_write_bio_SSL_SESSION(file, kept_session))
		die_openssl(opt.session_file);
	BIO_free(file);
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static void configure_server(SSL_CTX *ctx)
{
	if (opt.ask_certificate)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"judge", 5);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	if (opt.session_ids || opt.tickets == 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (!opt.session_ids)
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (opt.tickets >= 0)
		SSL_CTX_set_num_tickets(ctx, (size_t)opt.tickets);
}

SSL_CTX *new_context(void)
{
	int version = opt.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	SSL_CTX *ctx = SSL_CTX_new(opt.server ? TLS_server_method() : TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version))
		die_openssl("new context");
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF); /* a configuration file may have set it */
#endif
	if (!opt.renegotiate)
		SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION
	else
		SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
#endif
	if (opt.groups && SSL_CTX_set1_groups_list(ctx, opt.groups) != 1)
		die_openssl(opt.groups);
	if (opt.cert && SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1)
		die_openssl(opt.cert);
	if (opt.key && SSL_CTX_use_PrivateKey_file(ctx, opt.key, SSL_FILETYPE_PEM) != 1)
		die_openssl(opt.key);
	SSL_CTX_set_keylog_callback(ctx, on_secret);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (opt.server) {
		configure_server(ctx);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	}
	return ctx;
}
