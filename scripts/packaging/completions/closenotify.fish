# SPDX-License-Identifier: MIT
# fish completion of closenotify and its relatives.
complete -c closenotify -n __fish_is_first_token -a '(__fish_complete_command)' -x
complete -c closenotify -s o -l observe -d 'change nothing, only log'
complete -c closenotify -l off -d 'load the library, let it do nothing'
complete -c closenotify -s l -l log -x -a 'text json text:syslog json:journal' -d 'log each end'
complete -c closenotify -l level -x -a 'ends calls'
complete -c closenotify -l backtrace
complete -c closenotify -l summary -x -a 'exit 60 3600'
complete -c closenotify -s w -l wait -x -d 'milliseconds'
complete -c closenotify -s t -l timeout -x -d 'milliseconds'
complete -c closenotify -l linger -x -d 'milliseconds'
complete -c closenotify -l quiet -x -a 'honour override'
complete -c closenotify -l exit -x -a 'clean always'
complete -c closenotify -l only -x -d 'globs of program names'
complete -c closenotify -l deep
complete -c closenotify -l patch -d 'reach OpenSSL inside a program that exports it'
complete -c closenotify -s p -l print-env -a 'systemd docker kubernetes shell'
complete -c closenotify -l reach
complete -c closenotify -s q -l no-warn
complete -c closenotify -s h -l help
complete -c closenotify -s V -l version
complete -c closenotify-check -l json
complete -c closenotify-check -a '(__fish_complete_command)' -x
