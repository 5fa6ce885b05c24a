/* SPDX-License-Identifier: MIT
 * Plays a list of runs, each of one program against a judge of its own, several at once, and tells in the order of the
 * list what came of each. So a test needs one process for all its runs, and no JSON parser.
 *
 *     play [JOBS] <LIST    JOBS runs at once (4)
 *
 * A run is one line of words with tabs between them, and so is what is printed of it:
 *
 *     ROLE TLS LIBRARY [JUDGE-ARG...] -- [NAME=VALUE...] PROGRAM [ARG...]
 *     ROLE TLS LIBRARY STATUS SAID [RESULT...]
 *
 * ROLE is that of the program: a client gets the judge's port as its first argument, a server gets 0 and says "listening
 * PORT" first; TLS is the second one. LIBRARY is what is preloaded, empty: nothing. STATUS is the program's as a shell has
 * it, 124 if it had to be killed. SAID is all that it and its children printed, with \n, \t and \\ for these three.
 * RESULT is each line of the judge. Needs the variables JUDGE (the program) and PKI. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS    64
#define LONGEST  (900 * 1000) /* milliseconds: of a run that hangs; nothing else ends by it */
#define ALL_JOBS 64

struct run {
	bool server; /* the program is */
	const char *tls, *library;
	char *judge[WORDS], *program[WORDS];
	int port_at; /* where in program its port goes; NAME=VALUE and its path are before that */
};

/* What a child prints, until all that hold its output have gone. */
struct voice {
	pid_t pid;
	int fd;
	char *text;
	size_t size;
};

static struct timespec begun;

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "play: %s: %s\n", what, strerror(errno));
	exit(99);
}

static int left_ms(void)
{
	struct timespec now;
	long long gone;

	clock_gettime(CLOCK_MONOTONIC, &now);
	gone = (now.tv_sec - begun.tv_sec) * 1000LL + (now.tv_nsec - begun.tv_nsec) / 1000000;
	return gone < LONGEST ? (int)(LONGEST - gone) : 0;
}

static struct voice start(char **command, char **environment, int count, const char *library,
			  bool with_errors)
{
	struct voice v = {.text = calloc(1, 1)};
	int ends[2];

	if (!v.text || pipe2(ends, O_CLOEXEC) || (v.pid = fork()) < 0)
		fail("start");
	v.fd = ends[0];
	if (v.pid) {
		close(ends[1]);
		return v;
	}
	for (int i = 0; i < count; i++)
		putenv(environment[i]);
	if (library && setenv("LD_PRELOAD", library, 1))
		fail("LD_PRELOAD");
	if (dup2(ends[1], 1) < 0 || (with_errors && dup2(ends[1], 2) < 0))
		fail("dup2");
	execvp(command[0], command);
	fail(command[0]);
}

/* One more piece of it. At its end, and when the run has taken too long, its descriptor is closed. */
static void hear(struct voice *v)
{
	ssize_t n;

	v->text = realloc(v->text, v->size + 4097);
	if (!v->text)
		fail("realloc");
	n = read(v->fd, v->text + v->size, 4096);
	if (n > 0)
		v->size += (size_t)n;
	v->text[v->size] = 0;
	if (n <= 0) {
		close(v->fd);
		v->fd = -1;
	}
}

/* Waits for a piece of either. False when both have ended; a run that takes too long is killed. */
static bool hear_either(struct voice *a, struct voice *b)
{
	struct pollfd readable[] = {{.fd = a->fd, .events = POLLIN}, {.fd = b->fd, .events = POLLIN}};

	if (a->fd < 0 && b->fd < 0)
		return false;
	if (poll(readable, 2, left_ms()) <= 0) {
		if (a->pid)
			kill(a->pid, SIGKILL);
		if (b->pid)
			kill(b->pid, SIGKILL);
		return false;
	}
	if (readable[0].revents)
		hear(a);
	if (readable[1].revents)
		hear(b);
	return true;
}

/* Its first line, which is taken out: "listening PORT". Returns PORT, or NULL. */
static char *port_of(struct voice *v)
{
	static const char word[] = "listening ";
	struct voice nobody = {.fd = -1};
	char *end, *port;

	while (!(end = strchr(v->text, '\n')))
		if (v->fd < 0 || !hear_either(v, &nobody))
			return NULL;
	if (strncmp(v->text, word, sizeof(word) - 1))
		return NULL;
	port = strndup(v->text + sizeof(word) - 1, (size_t)(end - v->text) - (sizeof(word) - 1));
	v->size -= (size_t)(end + 1 - v->text);
	memmove(v->text, end + 1, v->size + 1);
	return port;
}

static int status_of(const struct voice *v)
{
	int status;

	if (waitpid(v->pid, &status, 0) != v->pid)
		fail("waitpid");
	if (!left_ms())
		return 124;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void say(const char *text, size_t size, const char *newline, const char *tab, const char *backslash)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\n')
			fputs(newline, stdout);
		else if (text[i] == '\t')
			fputs(tab, stdout);
		else if (text[i] == '\\')
			fputs(backslash, stdout);
		else if (text[i])
			putchar(text[i]);
}

static void play(struct run *r)
{
	struct voice judge = {.fd = -1}, program;
	char *port = NULL, pid[16];
	int status, judged;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	unsetenv("JUDGE_PID");
	if (!r->server) {
		judge = start(r->judge, NULL, 0, NULL, false);
		port = port_of(&judge);
		if (!port)
			fail("the judge does not listen");
		snprintf(pid, sizeof(pid), "%d", judge.pid);
		setenv("JUDGE_PID", pid, 1);
		r->program[r->port_at] = port;
	}
	program = start(r->program + (r->port_at - 1), r->program, r->port_at - 1, r->library, true);
	if (r->server) {
		port = port_of(&program);
		if (port) {
			r->judge[3] = port;
			judge = start(r->judge, NULL, 0, NULL, false);
		}
	}
	while (hear_either(&program, &judge))
		;
	status = status_of(&program);
	judged = port ? status_of(&judge) : 0;
	if (judged)
		fprintf(stderr, "play: %s: the judge ends with %d\n", r->program[r->port_at - 1], judged);
	while (program.size && program.text[program.size - 1] == '\n')
		program.size--;
	printf("%s\t%s\t%s\t%d\t", r->server ? "server" : "client", r->tls, r->library, status);
	say(program.text, program.size, "\\n", "\\t", "\\\\");
	if (judge.size) {
		putchar('\t');
		say(judge.text, judge.size - 1, "\t", " ", "\\"); /* its lines are JSON, which has no tabs */
	}
	putchar('\n');
}

static struct run parse(char *line)
{
	static char server[] = "server", client[] = "client", tls[] = "--tls", port[] = "--port",
		    zero[] = "0";
	static char cert_option[] = "--cert", key_option[] = "--key", cert[PATH_MAX], key[PATH_MAX];
	struct run r = {.server = !strncmp(line, server, sizeof(server) - 1)};
	char *role = strsep(&line, "\t"), *version = strsep(&line, "\t"), *word;
	int n = 0;

	r.tls = version;
	r.library = strsep(&line, "\t");
	if (!line || (!r.server && strcmp(role, client))) {
		errno = EINVAL;
		fail("a run is ROLE TLS LIBRARY [JUDGE-ARG...] -- PROGRAM [ARG...]");
	}
	r.judge[n++] = getenv("JUDGE");
	r.judge[n++] = r.server ? client : server;
	if (r.server) {
		r.judge[n++] = port;
		r.judge[n++] = zero;
	} else {
		snprintf(cert, sizeof(cert), "%s/cert.pem", getenv("PKI"));
		snprintf(key, sizeof(key), "%s/key.pem", getenv("PKI"));
		r.judge[n++] = cert_option;
		r.judge[n++] = cert;
		r.judge[n++] = key_option;
		r.judge[n++] = key;
	}
	r.judge[n++] = tls;
	r.judge[n++] = version;
	while ((word = strsep(&line, "\t")) && strcmp(word, "--") && n < WORDS - 1)
		r.judge[n++] = word;
	for (n = 0; n < WORDS - 1 && (word = strsep(&line, "\t")); n++) {
		r.program[n] = word;
		if (r.port_at || strchr(word, '='))
			continue;
		r.port_at = n + 1;
		r.program[++n] = zero;
		r.program[++n] = version;
	}
	if (!r.port_at || line || !r.judge[0]) {
		errno = EINVAL;
		fail("no program, too many words, or no JUDGE");
	}
	/* Before a judge waits for it. */
	if (strchr(r.program[r.port_at - 1], '/') && access(r.program[r.port_at - 1], X_OK))
		fail(r.program[r.port_at - 1]);
	return r;
}

struct job {
	pid_t pid;
	FILE *out;
};

static void begin(struct job *job, char *line)
{
	int nothing = open("/dev/null", O_RDONLY);
	struct run r;

	job->out = tmpfile();
	if (nothing < 0 || !job->out || fcntl(fileno(job->out), F_SETFD, FD_CLOEXEC) ||
	    (job->pid = fork()) < 0)
		fail("fork");
	if (job->pid) {
		close(nothing);
		return;
	}
	if (dup2(nothing, 0) < 0 || dup2(fileno(job->out), 1) < 0)
		fail("output");
	close(nothing);
	r = parse(line);
	play(&r);
	_exit(fflush(stdout) ? 99 : 0);
}

/* Waits for it, and prints what came of it. Returns 0 if it could be played. */
static int end(struct job *job)
{
	char bytes[4096];
	size_t n;
	int status;

	if (waitpid(job->pid, &status, 0) != job->pid)
		fail("waitpid");
	rewind(job->out);
	while ((n = fread(bytes, 1, sizeof(bytes), job->out)) > 0)
		fwrite(bytes, 1, n, stdout);
	fclose(job->out);
	fflush(stdout); /* else the next one's copy would print it again */
	return status;
}

int main(int argc, char **argv)
{
	struct job ring[ALL_JOBS];
	int jobs = argc > 1 ? atoi(argv[1]) : 4, first = 0, next = 0, failed = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t size;

	if (jobs < 1 || jobs > ALL_JOBS) {
		errno = EINVAL;
		fail("JOBS");
	}
	while ((size = getline(&line, &room, stdin)) > 0) {
		if (line[size - 1] == '\n')
			line[size - 1] = 0;
		if (next - first == jobs)
			failed |= end(&ring[first++ % ALL_JOBS]);
		begin(&ring[next++ % ALL_JOBS], line);
	}
	while (first != next)
		failed |= end(&ring[first++ % ALL_JOBS]);
	free(line);
	return failed ? 99 : 0;
}
