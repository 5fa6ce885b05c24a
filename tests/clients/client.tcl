# SPDX-License-Identifier: MIT
# client.tcl PORT: tcl-tls, "hello", a hundred bytes of answer, close.
package require tls
set channel [tls::socket -require 0 -autoservername 0 127.0.0.1 [lindex $argv 0]]
fconfigure $channel -translation binary
puts -nonewline $channel hello
flush $channel
puts [string length [read $channel 100]]
close $channel
