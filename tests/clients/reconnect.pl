# SPDX-License-Identifier: MIT
# reconnect.pl PORT TIMES: connections to 127.0.0.1:PORT that share one session cache and are let go, not closed.
use strict;
use warnings;
use IO::Socket::SSL;

my ($port, $times) = @ARGV;
my $context = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0, SSL_session_cache_size => 5);
for (1 .. $times) {
	my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1:$port", SSL_reuse_ctx => $context)
		or die $IO::Socket::SSL::SSL_ERROR;
	sysread $s, my $answer, 100;
}
