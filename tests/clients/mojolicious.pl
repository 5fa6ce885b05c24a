# SPDX-License-Identifier: MIT
# mojolicious.pl PORT: Mojo::UserAgent gets a page from 127.0.0.1:PORT.
use strict;
use warnings;
use Mojo::UserAgent;

my $answer = Mojo::UserAgent->new(insecure => 1)->max_connections(0)->get("https://127.0.0.1:$ARGV[0]/")->result;
print length $answer->body, "\n";
