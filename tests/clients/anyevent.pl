# SPDX-License-Identifier: MIT
# anyevent.pl PORT: AnyEvent::Handle, destroyed after "hello" and a hundred bytes of answer.
use strict;
use warnings;
use AnyEvent;
use AnyEvent::Handle;

my $done = AnyEvent->condvar;
my $handle = AnyEvent::Handle->new(
	connect => ['127.0.0.1', $ARGV[0]],
	tls => 'connect',
	tls_ctx => {verify => 0},
	on_error => sub { die $_[2] },
);
$handle->push_write('hello');
$handle->push_read(chunk => 100, sub { print length $_[1], "\n"; $done->send });
$done->recv;
$handle->destroy;
