# SPDX-License-Identifier: MIT
# bash completion of closenotify, closenotify-check and closenotify-report.
# shellcheck disable=SC2207 # words without blanks

_closenotify_options() { # COMMAND: what its help names
	"$1" --help 2>/dev/null | grep -oE -- '(^ +|, )--?[a-z][a-z-]*' | grep -oE -- '-+[a-z-]+'
}

_closenotify() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at
	COMPREPLY=()
	for ((at = 1; at < COMP_CWORD; at++)); do # behind COMMAND everything is COMMAND's own
		case ${COMP_WORDS[at]} in
		-l | --log | --level | --summary | -w | --wait | -t | --timeout | --linger | --quiet | --exit | --only) at=$((at + 1)) ;;
		--) at=$((at + 1)) && break ;;
		-*) ;;
		*) break ;;
		esac
	done
	if ((at < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
		_command_offset "$at"
		return
	fi
	case $before in
	-l | --log) COMPREPLY=($(compgen -W 'text json text: json: text:syslog json:syslog text:journal json:journal' -- "$word")) ;;
	--level) COMPREPLY=($(compgen -W 'ends calls' -- "$word")) ;;
	--summary) COMPREPLY=($(compgen -W 'exit 60 3600' -- "$word")) ;;
	--quiet) COMPREPLY=($(compgen -W 'honour override' -- "$word")) ;;
	--exit) COMPREPLY=($(compgen -W 'clean always' -- "$word")) ;;
	*)
		case $word in
		--print-env=*) COMPREPLY=($(compgen -W 'systemd docker kubernetes shell' -- "${word#*=}")) ;;
		-*) COMPREPLY=($(compgen -W "$(_closenotify_options closenotify)" -- "$word")) ;;
		*) COMPREPLY=($(compgen -c -- "$word")) ;;
		esac
		;;
	esac
}

_closenotify_tool() {
	local word=${COMP_WORDS[COMP_CWORD]}
	case $1:$word in
	*:-*) COMPREPLY=($(compgen -W "$(_closenotify_options "$1")" -- "$word")) ;;
	*-check:*) COMPREPLY=($(compgen -c -- "$word")) ;;
	*) COMPREPLY=($(compgen -f -- "$word")) ;;
	esac
}

complete -F _closenotify closenotify
complete -o filenames -F _closenotify_tool closenotify-check closenotify-report
