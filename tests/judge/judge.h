/* SPDX-License-Identifier: MIT
 * What the files of the judge share. main.c is the life of a connection, answer.c what the judge says, transport.c sockets, tls.c
 * records and sessions, verdict.c what is told, options.c the command line; each calls only those named after it. */
#ifndef JUDGE_H
#define JUDGE_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define READ_SIZE   16384
#define HEADER_SIZE 5
#define RECORD_SIZE (HEADER_SIZE + 16384 + 2048) /* RFC 5246 6.2.3; TLS 1.3 allows less */
#define ALERT_FATAL 2
#define ORDER_SIZE  64
#define ORDER_WORD  48

enum exit_status { EXIT_JUDGED = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2 };

enum first {
	FIRST_NOTHING,
	FIRST_CLOSE_NOTIFY,
	FIRST_FIN,
	FIRST_RST,
	FIRST_BOTH,
	FIRST_FATAL,
	FIRST_HALF_RECORD,
	FIRST_RECORD_HEADER,
	FIRST_CORRUPT_RECORD,
	FIRST_TWO_CLOSE_NOTIFY,
	FIRST_DATA_AFTER,
	FIRST_CLOSE_NOTIFY_RST,
};

enum when { WHEN_HANDSHAKE, WHEN_REQUEST, WHEN_EOF, WHEN_HTTP };

enum end { END_OPEN, END_FIN, END_RST, END_TIMEOUT };

/* The words for these numbers and for opt.tls13; NULL follows the last, but for end_names. */
extern const char *const first_names[], *const when_names[], *const tls_names[], *const end_names[];

/* What the command line asks for; constant once main has parsed it. */
struct options {
	bool server;
	int tls13;
	const char *cert, *key;
	const char *sni, *session_file, *groups;
	int port, connections, repeat, tickets, rcvbuf;
	bool session_ids;
	int timeout_ms, accept_timeout_ms, read_pause_ms, linger_open_ms;
	int skip;      /* bytes of plain text before the first record, as with STARTTLS */
	char *request; /* sent right after the handshake */
	size_t request_size;
	char head[160]; /* then head and body, once `when` has come */
	size_t head_size;
	uint64_t body_size, http_size;
	bool has_http, no_length;
	int when;
	int first;
	uint64_t first_after;
	bool silent_end, never_read, ask_certificate, renegotiate;
	bool ipv6, mptcp;
};

extern struct options opt;

/* One connection. Times are milliseconds of CLOCK_MONOTONIC. */
struct peer {
	int fd, number;
	SSL *ssl;
	BIO *in, *out; /* OpenSSL's side */
	BIO *wire;     /* ciphertext the kernel has not taken yet */
	int64_t deadline, read_at, close_at;

	unsigned char stream[RECORD_SIZE + READ_SIZE]; /* received, not yet a whole record */
	size_t stream_size, skipped;
	unsigned char secret[EVP_MAX_MD_SIZE]; /* TLS 1.3: the peer's traffic secret and record number */
	int secret_size;
	uint64_t sequence;
	EVP_MD_CTX *sha256;
	size_t head_match; /* bytes of "\r\n\r\n" seen in a row */
	bool head_seen;

	/* what the peer did */
	bool handshake, broken; /* broken: OpenSSL cannot decrypt any further */
	bool unframed;          /* not a record: no later byte can be told apart either */
	bool peer_gone, reset_on_send, rst_after_fin;
	uint64_t received;
	int close_notify;
	uint64_t records_after;
	char fatal[ORDER_WORD], sni[256], error[160];
	bool has_sni;
	char order[ORDER_SIZE][ORDER_WORD];
	size_t order_size;
	enum end end;

	/* what the judge did */
	size_t request_off;
	uint64_t off, in_flight, sent;
	bool first_done, answered, closed_for_writing;
	bool close_notify_made, close_notify_sent;
	bool want_fin, fin_sent, want_rst;
	int send_errno;
};

/* options.c. Every die() ends the judge with a line on stderr. */
void parse(int argc, char **argv);
void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *fmt, ...);
void __attribute__((noreturn)) die_openssl(const char *what);
void __attribute__((noreturn)) die_errno(const char *what);

/* tls.c. `wire` and `stream` of a peer are the transport's, all else of its TLS is here. */
SSL_CTX *new_context(void);
void new_session(struct peer *p, SSL_CTX *ctx);
void note(struct peer *p, const char *prefix, const char *word);
void broke(struct peer *p, const char *reason);
void collect(struct peer *p);
void continue_handshake(struct peer *p);
void cut_records(struct peer *p);
void forget_session(void);
void load_session(void);
void save_session(void);

/* transport.c. push() gives the wire to the kernel; true when nothing is left to give. */
extern volatile sig_atomic_t told; /* SIGUSR1 has come, and nothing was left to read then */
int64_t now_ms(void);
void let_be_told(void);
void wait_for(struct pollfd *watch, int count, int64_t ms);
int listen_on_port(void);
int connect_to_server(void);
void read_socket(struct peer *p);
void stop_writing(struct peer *p);
bool push(struct peer *p);
bool unacknowledged(int fd);

/* answer.c. write_socket: true when there is nothing more to say until the peer does something. first_ends: ends this side first if
 * that is asked for and due. */
bool write_socket(struct peer *p);
bool first_ends(struct peer *p);

/* verdict.c */
void report(struct peer *p);

#endif
