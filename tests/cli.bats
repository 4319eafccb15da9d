#!/usr/bin/env bats
# The command line as a person and a shell meet it; the rules of parsing are in src/cmd/cli_test.c.

load helpers

@test "--version prints the version of the build" {
	run --separate-stderr contest --version
	[ "$status" -eq 0 ]
	[[ $output =~ ^contest\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ -z "$stderr" ]
}

@test "--help shows examples before the usage, and every command" {
	run --separate-stderr contest --help
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == *Examples:*Usage:*Commands:*Options:* ]]
	[[ $output == *"  lab "*"  serve "* ]]
}

@test "help of every command and verb is what --help behind it prints" {
	for words in lab 'lab list' 'lab show' 'lab run' serve states explain help completion; do
		# shellcheck disable=SC2086 # words are words
		[ "$(contest help $words)" = "$(contest $words --help)" ]
		# shellcheck disable=SC2086
		[[ $(contest $words --help) == *"Usage: contest $words"* ]]
	done
}

@test "help fits the width it is given" {
	for words in '' lab 'lab run' 'lab show' serve states explain completion; do
		# shellcheck disable=SC2086
		longest=$(COLUMNS=80 contest $words --help | grep -v '^  *source\|^  contest' | wc -L)
		echo "$words: $longest"
		[ "$longest" -le 80 ]
	done
}

@test "no command is a usage error of one line" {
	run --separate-stderr contest
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == 'contest: which command? It is lab'* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "unknown commands, verbs, options and operands are answered with what was meant" {
	fails_with 2 "contest: unknown command 'lub'; did you mean 'lab'?" lub
	fails_with 2 "contest lab: unknown verb 'rnu'; did you mean 'run'?" lab rnu
	fails_with 2 "contest: unknown option '--verson'; did you mean '--version'?" --verson
	fails_with 2 "contest lab list: unknown option '--jsno'; did you mean '--json'?" lab list --jsno
	fails_with 2 "contest completion: unknown shell 'bsah'; did you mean 'bash'?" completion bsah
}

@test "an experiment that does not exist is answered with the nearest one" {
	id=$(contest lab list --json | jq -r '.experiments[0].id')
	[ -n "$id" ]
	fails_with 2 "contest lab show: unknown experiment '${id%?}'; did you mean '$id'?" lab show "${id%?}"
	fails_with 2 "contest lab run: unknown experiment '${id}x'; did you mean '$id'?" lab run "${id}x"
}

@test "what a user typed is escaped before it is printed" {
	fails_with 2 'contest: unknown command '\''a\x0ab\x1b[31m\xff'\''; it is lab, serve, load, states, top, explain, help or completion' \
		$'a\nb\e[31m\xff'
}

@test "a full disk is said, with status 3" {
	[ -c /dev/full ] || skip "no /dev/full"
	run --separate-stderr bash -c '"$CONTEST" --help >/dev/full'
	[ "$status" -eq 3 ]
	[ "$stderr" = 'contest: cannot write to standard output: No space left on device' ]
}

@test "a reader that went away is said, with status 3" {
	# The reader is gone before anything is written: its end of the FIFO is closed first.
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	run --separate-stderr bash -c '
		exec 3<>"$1" 4>"$1" 3>&-
		"$CONTEST" --help >&4' bash "$BATS_TEST_TMPDIR/pipe"
	[ "$status" -eq 3 ]
	[ "$stderr" = 'contest: cannot write to standard output: Broken pipe' ]
}

@test "a closed standard output is said, with status 3" {
	run --separate-stderr bash -c '"$CONTEST" --version >&-'
	[ "$status" -eq 3 ]
	[ "$stderr" = 'contest: cannot write to standard output: Bad file descriptor' ]
}

@test "colours: never in a pipe, always when asked for, before and behind the command" {
	[[ $(contest --help) != *$'\e['* ]]
	[[ $(contest --color=always --help) == *$'\e['* ]]
	[[ $(contest lab --help --color always) == *$'\e['* ]]
	[[ $(NO_COLOR=1 contest --color=always --help) == *$'\e['* ]]
	[[ $(contest --color=never --help) != *$'\e['* ]]
	fails_with 2 "contest: option '--color': 'neve' is not auto, always or never; did you mean 'never'?" \
		--color=neve
}

@test "colours on a terminal, unless NO_COLOR or TERM=dumb forbid them" {
	needs script
	on_terminal() { # on_terminal VARIABLE=VALUE
		env "$1" script -qec "'$CONTEST' --help" /dev/null </dev/null
	}
	[[ $(on_terminal TERM=xterm) == *$'\e['* ]]
	[[ $(on_terminal TERM=dumb) != *$'\e['* ]]
	[[ $(TERM=xterm on_terminal NO_COLOR=1) != *$'\e['* ]]
}

@test "the completion scripts are valid in their shells" {
	needs bash zsh fish
	for shell in bash zsh fish; do
		contest completion "$shell" >"$BATS_TEST_TMPDIR/completion.$shell"
		"$shell" -n "$BATS_TEST_TMPDIR/completion.$shell"
	done
	run contest completion
	[ "$status" -eq 2 ]
}

# bash_completes WORD…: what bash offers for the last word.
bash_completes() {
	bash -c '
		source <("$CONTEST" completion bash)
		compopt() { :; }
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_contest
		echo "${COMPREPLY[*]}"' bash "$@"
}

@test "bash completes commands, verbs, options, choices and experiments" {
	[ "$(bash_completes contest la)" = lab ]
	[ "$(bash_completes contest lab '')" = 'list show run' ]
	[ "$(bash_completes contest --color = always lab r)" = run ]
	[ "$(bash_completes contest lab run --fal)" = --falsify ]
	[ "$(bash_completes contest lab run --link '')" = 'auto tun veth' ]
	[ "$(bash_completes contest lab run --link = t)" = tun ]
	[ "$(bash_completes contest completion z)" = zsh ]
	[ "$(bash_completes contest explain -i '')" = '' ]
	[ "$(bash_completes contest explain --format '')" = 'text json zeek' ]
	[[ $(bash_completes contest explain -) == *-i* ]]
	(cd "$root/man" && [ "$(bash_completes contest explain -r contest.1)" = contest.1.scd ])
	(cd "$root/man" && [ "$(bash_completes contest explain contest.1)" = contest.1.scd ])
	[ "$(bash_completes contest lab show '')" = "$(contest lab list --json | jq -r '[.experiments[].id] | join(" ")')" ]
}

@test "fish completes commands, verbs, options and choices" {
	needs fish
	fish_completes() {
		fish --no-config -c 'source ($CONTEST completion fish | psub)
			complete -C $argv[1] | string split -f 1 \t | sort' "$1" | tr '\n' ' '
	}
	[ "$(fish_completes 'contest la')" = 'lab ' ]
	[ "$(fish_completes 'contest lab ')" = 'list run show ' ]
	[ "$(fish_completes 'contest lab run --fal')" = '--falsify ' ]
	[ "$(fish_completes 'contest lab run --link ')" = 'auto tun veth ' ]
}

@test "zsh completes in a real terminal" {
	needs zsh
	completed=$(zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$CONTEST" 'contest lab run --link=tu')
	echo "$completed"
	[ "$completed" = 'contest lab run --link=tun ' ]
	completed=$(zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$CONTEST" 'contest lab ru')
	[ "$completed" = 'contest lab run ' ]
}

@test "the manual pages are made without complaint, and name every command" {
	needs scdoc man
	for page in "$root"/man/*.scd; do
		made=$BATS_TEST_TMPDIR/$(basename "$page" .scd)
		scdoc <"$page" >"$made"
		run --separate-stderr man --local-file --warnings "$made"
		echo "$stderr"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
	done
	for command in lab serve load states explain help completion; do
		man --local-file "$BATS_TEST_TMPDIR/contest.1" | grep -q "contest $command"
	done
}

@test "the words of the Makefile are explained" {
	needs make
	run make --no-print-directory -C "$root" help
	[ "$status" -eq 0 ]
	for word in lab check lint fuzz bench install clean; do
		[[ $output == *"make $word"* ]]
	done
}
