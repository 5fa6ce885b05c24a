/* SPDX-License-Identifier: MIT
 * SSL_shutdown in a fibre, over a BIO of the program's own that gives way while it writes; another thread goes on with the
 * fibre. Prints whether either thread has SIGPIPE blocked in the end. Then SSL_free, close.
 *
 *     fibres PORT TLS N */
#include "rude.h"

#include <setjmp.h>
#include <ucontext.h>

static ucontext_t fibre;
static jmp_buf scheduler, half_way; /* not by swapcontext(), which takes the signal mask along */
static struct rude r;
static bool gives_way, over;

static int write_to_socket(BIO *bio, const char *bytes, int length)
{
	if (gives_way) {
		gives_way = false;
		if (!_setjmp(half_way))
			_longjmp(scheduler, 1);
	}
	BIO_clear_retry_flags(bio);
	return (int)send(r.fd, bytes, (size_t)length, MSG_NOSIGNAL);
}

static int read_from_socket(BIO *bio, char *bytes, int length)
{
	BIO_clear_retry_flags(bio);
	return (int)recv(r.fd, bytes, (size_t)length, 0);
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO *own_bio(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "own");
	BIO *bio;

	BIO_meth_set_write(method, write_to_socket);
	BIO_meth_set_read(method, read_from_socket);
	BIO_meth_set_ctrl(method, control);
	bio = BIO_new(method);
	BIO_set_init(bio, 1);
	return bio;
}

static void say_goodbye(void)
{
	SSL_shutdown(r.ssl);
	over = true;
	_longjmp(scheduler, 1);
}

static void *run_fibre(void *where)
{
	sigset_t blocked;

	if (!_setjmp(scheduler)) {
		if (gives_way)
			setcontext(&fibre);
		_longjmp(half_way, 1);
	}
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	printf("%s: over %d, SIGPIPE blocked %d\n", (const char *)where, over,
	       sigismember(&blocked, SIGPIPE));
	return NULL;
}

int main(int argc, char **argv)
{
	static char stack[256 * 1024];
	BIO *bio = own_bio();
	pthread_t thread;

	r = rude_connect(argc, argv);
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	getcontext(&fibre);
	fibre.uc_stack.ss_sp = stack;
	fibre.uc_stack.ss_size = sizeof(stack);
	makecontext(&fibre, say_goodbye, 0);
	gives_way = true;
	if (pthread_create(&thread, NULL, run_fibre, "first"))
		rude_fail("pthread_create");
	pthread_join(thread, NULL);
	run_fibre("second");
	SSL_free(r.ssl);
	close(r.fd);
	return 0;
}
