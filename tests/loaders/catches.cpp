// SPDX-License-Identifier: MIT
// What C can't, for unwinds.c: throw and catch.
extern "C" void throw_out()
{
	throw 1;
}

extern "C" bool catches(void (*run)(void *), void *argument)
{
	try {
		run(argument);
	} catch (int) {
		return true;
	}
	return false;
}
