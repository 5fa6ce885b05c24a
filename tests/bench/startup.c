/* SPDX-License-Identifier: MIT
 * The life of a program that does nothing, COUNT times for each of the preloads, by turns. "-" is none. Tells the median of its time, and the least
 * page faults.
 *
 *     startup COUNT PROGRAM PRELOAD... */
#include "bench.h"

static double life(char *program, const char *preload, double *faults)
{
	char setting[1024], *arguments[] = {program, NULL},
			    *environment[] = {setting, "TORSOCKS_LOG_LEVEL=1", NULL};
	struct rusage usage;
	double start;
	int status;
	pid_t child;

	snprintf(setting, sizeof(setting), "LD_PRELOAD=%s", strcmp(preload, "-") ? preload : "");
	start = now_ns();
	if (posix_spawn(&child, program, NULL, NULL, arguments, environment) ||
	    wait4(child, &status, 0, &usage) != child || status)
		rude_fail(preload);
	if (*faults == 0 || (double)usage.ru_minflt < *faults)
		*faults = (double)usage.ru_minflt;
	return now_ns() - start;
}

int main(int argc, char **argv)
{
	size_t count = argc > 3 ? (size_t)atoi(argv[1]) : 0, kinds = (size_t)argc - 3;
	double *samples = calloc(count * kinds, sizeof(*samples)), *faults = calloc(kinds, sizeof(*faults));

	if (argc < 4)
		rude_fail("startup COUNT PROGRAM PRELOAD...");
	for (size_t i = 0; i < count; i++)
		for (size_t kind = 0; kind < kinds; kind++)
			samples[kind * count + i] = life(argv[2], argv[3 + kind], &faults[kind]);
	for (size_t kind = 0; kind < kinds; kind++)
		printf("startup,%zu %.0f\n", kind, quantile(samples + kind * count, count, 0.5));
	for (size_t kind = 0; kind < kinds; kind++)
		printf("faults,%zu %.0f\n", kind, faults[kind]);
	return 0;
}
