#!/usr/bin/env bats
# A build without the optional parts (meson options uring, pcap, bpf, top, man) works, and says in one
# line what it lacks and how to have it. The program is $CONTEST_LEAN; `scripts/check builds` makes
# two of them: one by options, one where the libraries are not found.

CONTEST=${CONTEST_LEAN-${CONTEST-}}
load helpers

setup() {
	[ -n "${CONTEST_LEAN-}" ] ||
		skip "CONTEST_LEAN names no build without the optional parts; scripts/check builds makes them"
	cd "$BATS_TEST_TMPDIR" || return 1
}

bare() {
	echo "this contest was built without $1: install $2 and run make clean all; $3"
}

no_uring=$(bare io_uring liburing-dev '--engine=epoll needs none')
no_bpf='this contest was built without BPF: install libbpf-dev, bpftool and clang, and run make clean all; --source=diag needs none'
no_top=$(bare ncursesw libncurses-dev 'contest states --watch needs none')
no_pcap='this contest was built without libpcap, which live captures and filters need: install libpcap-dev and run make clean all, or pipe tcpdump -w - into it'

capture=$root/fuzz/corpus/stream/mixed.pcap

# ---- what it lacks

@test "no screen: contest top, whatever its options, on a terminal or not" {
	fails_with 3 "contest top: $no_top" top
	fails_with 3 "contest top: $no_top" top --by peer --interval 2 --processes state time-wait
	fails_with 3 "contest top: $no_top" top --source bpf
	needs script
	run script -qec "'$CONTEST' top" /dev/null </dev/null
	[ "$status" -eq 3 ]
	[ "$output" = "contest top: $no_top"$'\r' ]
}

@test "no BPF: contest states --source bpf, alone or with anything" {
	fails_with 3 "contest states: $no_bpf" states --source bpf
	fails_with 3 "contest states: $no_bpf" states --source bpf --list --processes state time-wait
	fails_with 3 "contest states: $no_bpf" states --source=bpf --watch --json
}

@test "no io_uring: the engines of serve and load" {
	fails_with 3 "contest serve: $no_uring" serve --engine uring --port 0
	fails_with 3 "contest load: $no_uring" load --engine uring --connections 1 127.0.0.1:1
}

@test "no libpcap: live captures and filters of explain" {
	fails_with 3 "contest explain: $no_pcap" explain -i lo
	fails_with 3 "contest explain: $no_pcap" explain -i lo port 80
	fails_with 3 "contest explain: $no_pcap" explain "$capture" port 80
	fails_with 3 "contest explain: $no_pcap" explain "$capture" 'port 80'
}

@test "no libpcap: a file that is not there is no filter either" {
	mkdir folder
	fails_with 3 "contest explain: nonsuch.pcap: no such file, nor can it be a filter: $no_pcap" \
		explain nonsuch.pcap
	fails_with 3 "contest explain: nonsuch.pcap: no such file, nor can it be a filter: $no_pcap" \
		explain "$capture" nonsuch.pcap
	fails_with 3 "contest explain: folder: a directory, nor can it be a filter: $no_pcap" explain folder
	fails_with 3 'contest explain: cannot read nonsuch.pcap: No such file or directory' \
		explain -r nonsuch.pcap
}

@test "wrong words are still usage errors" {
	fails_with 2 "contest top: option '--interval': 'x' is no number of seconds" top --interval x
	fails_with 2 "contest states: option '--source': 'bpg' is not diag, bpf or proc; did you mean 'bpf'?" \
		states --source bpg
	fails_with 2 "contest serve: option '--engine': 'urin' is not epoll, poll, select, thread, fork or uring; did you mean 'uring'?" \
		serve --engine urin
}

# ---- what it can

@test "help and completion know the same words as a full build's" {
	for command in '' lab serve load states top explain; do
		# shellcheck disable=SC2086 # none or one word
		run --separate-stderr contest $command --help
		[ "$status" -eq 0 ]
		[ -n "$output" ]
		[ -z "$stderr" ]
	done
	[[ $(contest --help) == *"  top "* ]]
	contest completion bash >words
	bash -n words
	grep -q "choices='epoll poll select thread fork uring'" words
	grep -q "choices='diag bpf proc'" words
}

@test "sockets: both other sources, processes by /proc" {
	needs unshare
	needs_worlds
	# shellcheck disable=SC2317 # called by name
	story() {
		ip link set lo up
		"$CONTEST" serve --listen 127.0.0.1 --port 5000 >serve.log 2>&1 &
		server=$!
		wait_until has_line 'listening on' serve.log
		for source in diag proc; do
			"$CONTEST" states --source "$source" --json |
				jq -e '.total == 1 and .states.LISTEN == 1'
		done
		"$CONTEST" states --by process,local --processes >table
		kill "$server"
		grep -q "^contest ($server)  *127.0.0.1  *1\b" table || { cat table; false; }
	}
	in_world
}

@test "a server and a load, with the engines that are left" {
	needs_worlds
	# shellcheck disable=SC2317 # called by name
	story() {
		ip link set lo up
		for engine in epoll poll select thread fork; do
			rm -f serve.log
			"$CONTEST" serve --engine "$engine" --listen 127.0.0.1 --port 5000 \
				--close active >serve.log 2>&1 &
			server=$!
			wait_until has_line 'listening on' serve.log
			"$CONTEST" load --connections 20 --close passive 127.0.0.1:5000 --json >load.json
			kill "$server"
			wait "$server"
			jq -e '.completed == 20' load.json || { cat load.json serve.log; false; }
		done
	}
	in_world
}

# in_world: the function story, in a network namespace of its own.
in_world() {
	# shellcheck disable=SC2163 # functions
	export -f story wait_until has_line
	local as_root=(--map-root-user --user)
	[ "$(id -u)" -ne 0 ] || as_root=()
	timeout 60 unshare "${as_root[@]}" --net --pid --fork --mount-proc --kill-child \
		bash -euo pipefail -c story 3>&-
}

@test "captures are explained, from files, pipes and tcpdump" {
	run --separate-stderr contest explain --json "$capture"
	[ "$status" -eq 0 ]
	wanted=$output
	[ -n "$wanted" ]
	run --separate-stderr bash -c '"$CONTEST" explain --json <"$1"' bash "$capture"
	[ "$status" -eq 0 ]
	[ "$output" = "$wanted" ]
	needs tcpdump
	# The way that it proposes in place of a filter.
	run --separate-stderr bash -c 'tcpdump -w - -r "$1" tcp 2>/dev/null | "$CONTEST" explain --json' bash "$capture"
	[ "$status" -eq 0 ]
	[ "$(jq -s 'length' <<<"$output")" -eq "$(jq -s 'length' <<<"$wanted")" ]
}

@test "an experiment comes to its verdict" {
	needs_worlds
	run --separate-stderr contest lab run linger-zero --json --out results
	[ "$status" -eq 0 ]
	[ "$(jq -r '.results[0].verdict' <<<"$output")" = holds ]
}
