/* SPDX-License-Identifier: MIT
 * An exception, or a cancelled thread, leaves a call on the session without returning from it; then the program goes on.
 *
 *     unwinds PORT TLS N WHERE    WHERE: read_thrown, read_cancelled, write_thrown, shutdown_thrown, shutdown_cancelled
 *
 * Tells whether SIGPIPE is blocked, and which descriptors there are, before the end. */
#include "../rude/rude.h"

#include <dirent.h>

/* catches.cpp */
void throw_out(void);
bool catches(void (*run)(void *), void *argument);

static struct rude r;
static bool throws;

static long in_bio(BIO *bio, int call, const char *bytes, size_t length, int option, long size, int ret,
		   size_t *done)
{
	(void)bio, (void)bytes, (void)length, (void)option, (void)size, (void)done;
	if (throws && (call == BIO_CB_READ || call == BIO_CB_WRITE))
		throw_out();
	return ret;
}

static void in_info(const SSL *ssl, int where, int ret)
{
	(void)ssl, (void)ret;
	if (!throws || !(where & SSL_CB_ALERT))
		return;
	pthread_testcancel();
	throw_out();
}

static bool begins(const char *where, const char *with)
{
	return strncmp(where, with, strlen(with)) == 0;
}

static void call_once(void *where)
{
	char bytes[100] = "more";

	if (begins(where, "shutdown"))
		SSL_shutdown(r.ssl);
	else if (begins(where, "write"))
		SSL_write(r.ssl, bytes, sizeof(bytes));
	else
		SSL_read(r.ssl, bytes, sizeof(bytes));
	rude_fail("it returned");
}

static void *in_thread(void *where)
{
	pthread_cancel(pthread_self()); /* in its next system call that may wait */
	call_once(where);
	return NULL;
}

static void cancelled(char *where)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, in_thread, where))
		rude_fail("pthread_create");
	pthread_join(thread, NULL);
}

static void tell(void)
{
	sigset_t mask;
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	printf("SIGPIPE blocked %d, %d descriptors\n", sigismember(&mask, SIGPIPE), count);
}

int main(int argc, char **argv)
{
	char *where = argc > 4 ? argv[4] : "";
	bool cancels = strstr(where, "cancelled"), shuts = begins(where, "shutdown");

	r = rude_meet(argc, argv);
	rude_has_threads();
	throws = shuts || !cancels;
	if (shuts)
		SSL_set_info_callback(r.ssl, in_info);
	else if (throws)
		BIO_set_callback_ex(SSL_get_rbio(r.ssl), in_bio);
	if (cancels)
		cancelled(where);
	else
		TELL(catches(call_once, where));
	throws = false;
	tell();
	if (begins(where, "read"))
		rude_write(r.ssl, 100);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	rude_vanish();
}
