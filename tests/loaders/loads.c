/* SPDX-License-Identifier: MIT
 * Loads the plugin that stands beside it.
 *
 *     loads PORT TLS N */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s.plugin", argv[0]);
	if (argc < 4 || setenv("PLUGIN_PORT", argv[1], 1) || setenv("PLUGIN_TLS", argv[2], 1) ||
	    setenv("PLUGIN_N", argv[3], 1) || !dlopen(path, RTLD_NOW)) {
		fprintf(stderr, "%s\n", dlerror());
		return 99;
	}
	return 0;
}
