#!/usr/bin/env bats
# contest explain as a person and a script meet it. Captures are made by the lab, whose experiments
# say what happened, or come from the article; live ones have a network namespace of their own, with
# contest serve and load as the traffic.
# shellcheck disable=SC2317,SC2030,SC2031 # stories are called by name, in shells of their own

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# The article's three traces, as they stand there.
article() {
	cat >close.txt <<'TEXT'
$ tcpdump -nn -i eth0 host 10.15.86.214
13:32:31.626549 IP 10.41.147.237.5000 > 10.15.86.214.30202: Flags [F.], seq 27, ack 1, win 16, options [nop,nop,TS val 2599042792 ecr 2329783108], length 0
13:32:31.626877 IP 10.15.86.214.30202 > 10.41.147.237.5000: Flags [.], ack 27, win 6, options [nop,nop,TS val 2329783108 ecr 2599042792], length 0
13:32:31.626964 IP 10.15.86.214.30202 > 10.41.147.237.5000: Flags [F.], seq 1, ack 28, win 6, options [nop,nop,TS val 2329783108 ecr 2599042792], length 0
13:32:31.626975 IP 10.41.147.237.5000 > 10.15.86.214.30202: Flags [.], ack 2, win 16, options [nop,nop,TS val 2599042792 ecr 2329783108], length 0
TEXT
	cat >both.txt <<'TEXT'
$ tcpdump -nn -i eth0 host 10.51.31.141
14:37:45.682624 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [S], seq 50755794, win 14600, options [mss 1460,sackOK,TS val 382514872 ecr 0,nop,wscale 10], length 0
...
14:37:45.683122 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [F.], seq 1, ack 27, win 15, options [nop,nop,TS val 382514873 ecr 382506868], length 0
14:37:45.683125 IP 10.51.31.140.5000 > 10.51.31.141.1063: Flags [F.], seq 27, ack 1, win 15, options [nop,nop,TS val 382506868 ecr 382514873], length 0
14:37:45.683133 IP 10.51.31.140.5000 > 10.51.31.141.1063: Flags [.], ack 2, win 15, options [nop,nop,TS val 382506868 ecr 382514873], length 0
14:37:45.683160 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [.], ack 28, win 15, options [nop,nop,TS val 382514873 ecr 382506868], length 0
TEXT
	cat >stamps.txt <<'TEXT'
14:02:48.704077 IP 10.51.31.141.1027 > 10.51.31.140.5000: Flags [S], seq 2561683863, win 14600, options [mss 1460,sackOK,TS val 380417893 ecr 0,nop,wscale 10], length 0
14:02:48.704120 IP 10.51.31.140.5000 > 10.51.31.141.1027: Flags [S.], seq 1524418616, ack 2561683864, win 14600, options [mss 1460,nop,nop,sackOK,nop,wscale 10], length 0
14:02:48.704233 IP 10.51.31.141.1027 > 10.51.31.140.5000: Flags [.], ack 1, win 15, length 0
14:02:48.704505 IP 10.51.31.140.5000 > 10.51.31.141.1027: Flags [P.], seq 1:27, ack 1, win 15, length 26
TEXT
}

# made ID…: captures of experiments, as ID.pcapng, made once for all tests.
made() {
	needs_worlds
	local id
	for id; do
		[ -e "$BATS_FILE_TMPDIR/$id.pcapng" ] ||
			timeout 120 "$CONTEST" lab run "$id" --out "$BATS_FILE_TMPDIR" >lab.log 2>&1 || {
			cat lab.log
			return 1
		}
		cp "$BATS_FILE_TMPDIR/$id.pcapng" .
	done
}

# explained STATUS ARGUMENTS…: explains to out.json, and follows the schema.
explained() {
	local wanted=$1 status=0
	shift
	timeout 60 "$CONTEST" explain --json "$@" >out.json 2>err || status=$?
	[ "$status" -eq "$wanted" ] || {
		echo "status $status of: contest explain --json $*"
		cat err out.json
		return 1
	}
	cat out.json >>"$BATS_TEST_TMPDIR/checked.json"
}

# is FILTER: of all connections as an array, by jq.
is() {
	jq -es "$1" out.json >/dev/null || {
		echo "not so: $1"
		head -n 4 out.json
		cat err
		return 1
	}
}

# follows_schema: every line that explained() has seen.
follows_schema() {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	/usr/bin/python3 - "$root/docs/contest.explain.1.schema.json" checked.json <<'PYTHON'
import json, jsonschema, sys
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
lines = open(sys.argv[2]).read().splitlines()
assert lines
for line in lines:
    validator.validate(json.loads(line))
PYTHON
}

# pcap TYPE HEX…: a capture of Ethernet frames, each of that type with that content.
pcap() {
	printf '\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\0\0\4\0\1\0\0\0'
	while [ $# -gt 0 ]; do
		local frame=020000000001020000000002$1$2 length
		length=$((${#frame} / 2))
		printf '%b' '\0\0\0\0\0\0\0\0' "$(printf '\\x%02x\\0\\0\\0\\x%02x\\0\\0\\0' $length $length)"
		# shellcheck disable=SC2001
		printf '%b' "$(sed 's/../\\x&/g' <<<"${frame:0:$((2 * length))}")"
		shift 2
	done
}

# says STATUS LINE ARGUMENTS…: this status, and this one line on stderr, whatever is printed.
says() {
	local wanted_status=$1 wanted_line=$2
	shift 2
	run --separate-stderr contest "$@"
	echo "status $status, stderr: $stderr"
	[ "$status" -eq "$wanted_status" ]
	[ "$stderr" = "$wanted_line" ]
}

# ---- text

@test "the article's first trace: the server closed first, and holds TIME-WAIT" {
	article
	explained 0 close.txt
	is 'length == 1'
	# Which end is the client is a guess here; which closed first is none.
	is '.[0] | .opened == "unknown" and .ending == "graceful"'
	is '.[0] | .[.closed_first] == "10.41.147.237:5000" and .time_wait_holder == .closed_first'
	is '.[0] | .[.closed_first + "_state"] == "TIME-WAIT"'
	is '.[0] | [.client_state, .server_state] | sort == ["CLOSED", "TIME-WAIT"]'
	follows_schema
}

@test "the article's second trace: both closed at once, and both hold TIME-WAIT" {
	article
	explained 0 both.txt
	is 'length == 1'
	is '.[0] | .closed_first == "both" and .time_wait_holder == "both" and .ending == "simultaneous"'
	is '.[0] | .client == "10.51.31.141:1063" and .server == "10.51.31.140:5000"'
	is '.[0] | .client_state == "TIME-WAIT" and .server_state == "TIME-WAIT"'
}

@test "the article's third trace: no timestamps, because of the server" {
	article
	explained 0 stamps.txt
	is 'length == 1'
	is '.[0] | .timestamps == "server-did-not" and .sack == "agreed" and .ending == "open"'
	is '.[0] | .server_bytes == 26 and .client_state == "ESTAB" and .server_state == "ESTAB"'
}

@test "a text within a ticket, from a pipe, and with a filter" {
	article
	{
		printf 'Hi,\n\nplease look at this:\n\n'
		sed 's/^/> /' close.txt both.txt
		printf '\nregards\n'
	} >ticket
	explained 0 ticket
	is 'length == 2'
	"$CONTEST" explain --json <ticket | cmp - out.json
	# shellcheck disable=SC2002
	cat ticket | "$CONTEST" explain --json | cmp - out.json
	"$CONTEST" explain --json - <ticket | cmp - out.json
	explained 0 ticket host 10.51.31.141 and port 1063
	is 'length == 1 and .[0].closed_first == "both"'
	explained 0 ticket 'port 30202'
	is 'length == 1 and (.[0] | .[.closed_first]) == "10.41.147.237:5000"'
}

@test "a text without times, and one with names" {
	article
	sed 's/^[0-9:.]* //' both.txt >timeless.txt
	explained 0 timeless.txt
	is 'length == 1 and (.[0] | .closed_first == "both" and .first == null and .client_state_since == null)'
	"$CONTEST" explain timeless.txt | grep -q 'the text has no times'
	sed 's/10\.51\.31\.141\.1063/client.example.1063/g; s/10\.51\.31\.140\.5000/www.http/g' both.txt >names.txt
	explained 0 names.txt --connection www:http
	is 'length == 1 and (.[0] | .closed_first == "both" and .client == "client.example:1063" and .server == "www:http")'
	"$CONTEST" explain names.txt --connection 1 | grep -q '^ *client.example:1063 *www:http$'
	follows_schema
}

# ---- captures

@test "what the lab knows to have happened" {
	made active-close unread-data simultaneous-close half-close
	explained 0 active-close.pcapng
	is 'map(.closed_first) | sort == ["client", "server"]'
	is 'all(.time_wait_holder == .closed_first)'
	is 'all(.ending == "graceful" and .opened == "client-syn")'
	explained 0 unread-data.pcapng
	is 'map(select(.ending == "reset" and .rst.from == "server")) | length == 2'
	explained 0 simultaneous-close.pcapng
	is 'any(.ending == "simultaneous" and .time_wait_holder == "both")'
	explained 0 half-close.pcapng
	is 'length > 0 and all(.closed_first == "client")'
	follows_schema
}

@test "compressed, from standard input, from a pipe, from a named pipe: the same" {
	made active-close
	explained 0 active-close.pcapng
	mv out.json whole.json
	gzip -k active-close.pcapng
	for program in zstd lz4; do
		! command -v "$program" >/dev/null || "$program" -qc active-close.pcapng >"active-close.pcapng.$program"
	done
	for file in active-close.pcapng*; do
		"$CONTEST" explain --json "$file" | cmp - whole.json
		"$CONTEST" explain --json <"$file" | cmp - whole.json
		# shellcheck disable=SC2002
		cat "$file" | "$CONTEST" explain --json | cmp - whole.json
		"$CONTEST" explain --json <(cat "$file") | cmp - whole.json
	done
	mkfifo pipe
	cat active-close.pcapng >pipe &
	"$CONTEST" explain --json pipe | cmp - whole.json
}

@test "tcpdump's own file, and its own text, tell the same" {
	needs tcpdump
	made active-close
	explained 0 active-close.pcapng
	jq -S 'del(.first, .last, .client_state_since, .server_state_since)' out.json >whole.json
	tcpdump -tt -nn --nano -r active-close.pcapng >text 2>/dev/null || skip "tcpdump cannot read it"
	explained 0 text
	jq -S 'del(.first, .last, .client_state_since, .server_state_since)' out.json >text.json
	diff whole.json text.json
}

@test "files of a rotation, in any order, are one capture" {
	needs tcpdump
	made active-close
	tcpdump -r active-close.pcapng -w all.pcap 2>/dev/null
	tcpdump -r active-close.pcapng -w first.pcap -c 6 2>/dev/null
	# What is behind the first six records: the head, and the rest.
	{
		head -c 24 all.pcap
		tail -c +$(($(stat -c %s first.pcap) + 1)) all.pcap
	} >second.pcap
	explained 0 all.pcap
	mv out.json whole.json
	for files in 'first.pcap second.pcap' 'second.pcap first.pcap' '-r second.pcap -r first.pcap'; do
		# shellcheck disable=SC2086 # words are words
		"$CONTEST" explain --json $files | cmp - whole.json
	done
	[ "$("$CONTEST" explain first.pcap | head -n 1)" != "$("$CONTEST" explain all.pcap | head -n 1)" ]
}

@test "a capture cut in the middle: what is there is explained, one line, status 1" {
	made active-close
	size=$(stat -c %s active-close.pcapng)
	head -c $((size - 30)) active-close.pcapng >cut.pcapng
	explained 1 cut.pcapng
	is 'length == 2 and .[0].ending == "graceful"'
	[ "$(wc -l <err)" -eq 1 ]
	grep -q '^contest explain: cannot read cut.pcapng behind packet .*; what came before is explained$' err
	# shellcheck disable=SC2002
	cat cut.pcapng | "$CONTEST" explain --json 2>err >out.json && return 1
	is 'length == 2'
	grep -q '^contest explain: cannot read standard input behind packet ' err
}

@test "what cannot be read, with status 3 and one line" {
	: >empty
	echo nonsense >prose.txt
	head -c 5000 /dev/urandom >noise
	mkdir folder
	fails_with 3 'contest explain: cannot read empty: it is empty' explain empty
	fails_with 3 'contest explain: cannot read prose.txt: neither a capture (pcap, pcapng) nor what tcpdump prints' \
		explain prose.txt
	run --separate-stderr contest explain noise
	[ "$status" -eq 3 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" -eq 1 ]
	run --separate-stderr contest explain nonsuch.pcap
	[ "$status" -eq 3 ] && [ -z "$output" ]
	[[ $stderr == 'contest explain: nonsuch.pcap: no such file, and not a filter: '* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	run --separate-stderr contest explain folder
	[ "$status" -eq 3 ]
	[[ $stderr == 'contest explain: folder: a directory, and not a filter: '* ]]
	fails_with 3 'contest explain: cannot read standard input: it is empty' explain - </dev/null
	printf x >$'a\e[31m\nb'
	fails_with 3 'contest explain: cannot read a\x1b[31m\x0ab: neither a capture (pcap, pcapng) nor what tcpdump prints' \
		explain $'a\e[31m\nb'
}

@test "no TCP in it: what there was instead, and status 1" {
	pcap 0800 45000020000100000011000001000001010000010035003500080000000000000 \
		0806 0001080006040001020000000001 >other.pcap
	says 1 'contest explain: no TCP: of 2 packets 1 not IP, 1 not TCP' explain other.pcap
	says 1 'contest explain: no TCP: of 2 packets 1 not IP, 1 not TCP' explain --json other.pcap
	says 1 'contest explain: no packet of 2 passes the filter' explain other.pcap tcp
}

# ---- the command line

@test "what does not go together is a usage error of one line" {
	article
	fails_with 2 'contest explain: --list and --problems exclude each other' explain --list --problems close.txt
	fails_with 2 'contest explain: --ladder and --format=json exclude each other' explain --ladder --json close.txt
	fails_with 2 'contest explain: --json and --format=zeek exclude each other' explain --json --format zeek close.txt
	fails_with 2 'contest explain: --duration is for --interface' explain --duration 1s close.txt
	fails_with 2 'contest explain: a file (close.txt) and --interface exclude each other' explain -i lo close.txt
	fails_with 2 "contest explain: option '--connection': 'x' is neither a number of --list nor ADDR:PORT" \
		explain --connection x close.txt
	run --separate-stderr contest explain close.txt 'prot 80'
	[ "$status" -eq 2 ] && [ -z "$output" ]
	[[ $stderr == 'contest explain: prot 80: no such file, and not a filter: '* ]]
}

@test "no operand on a terminal is a usage error" {
	needs script
	run script -qec "'$CONTEST' explain" /dev/null </dev/null
	[ "$status" -eq 2 ]
	[[ $output == *'which capture? Usage: contest explain'* ]]
}

@test "a folder that is called like a filter's word is no file" {
	article
	mkdir port src
	explained 0 close.txt port 5000
	is 'length == 1'
	explained 0 both.txt src port 1063 or dst port 1063
	is 'length == 1'
}

@test "a filter's mistake is told in libpcap's words" {
	article
	run --separate-stderr contest explain close.txt 'port abc def'
	[ "$status" -eq 2 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == 'contest explain: port abc def: no such file, and not a filter: '* ]]
}

@test "chosen connections: by number, by an end" {
	article
	cat close.txt both.txt stamps.txt >all.txt
	explained 0 all.txt
	is 'length == 3'
	explained 0 all.txt --connection 2
	is 'length == 1 and .[0].number == 2 and .[0].closed_first == "both"'
	explained 0 all.txt --connection 10.51.31.140:5000
	is 'map(.number) == [2, 3]'
	explained 0 all.txt --connection 1 --connection 10.51.31.141:1027
	is 'map(.number) == [1, 3]'
	explained 0 all.txt --limit 2
	is 'map(.number) == [1, 2]'
	run --separate-stderr contest explain all.txt --connection 4
	[ "$status" -eq 2 ]
	[ "$stderr" = "contest explain: no connection is '4': there are 3; --list shows them" ]
	run --separate-stderr contest explain all.txt --connection 10.51.31.140:5001
	[ "$status" -eq 2 ]
}

@test "a ladder: of one, of few, of too many; its second look at a pipe" {
	article
	run --separate-stderr contest explain both.txt --ladder
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	# shellcheck disable=SC2154
	printf '%s\n' "$output" >whole
	grep -q 'CLOSING │◀' whole
	[ "$(grep -c 'TIME-WAIT' whole)" -ge 2 ]
	"$CONTEST" explain both.txt --connection 1 | cmp - whole
	"$CONTEST" explain --ladder <both.txt | cmp - whole
	# shellcheck disable=SC2002
	cat both.txt | "$CONTEST" explain --ladder | cmp - whole
	"$CONTEST" explain --ladder <(cat both.txt) | cmp - whole
	[ "$("$CONTEST" explain both.txt --ladder --rows 3 | grep -c '├──\|──┤')" -eq 3 ]
	for ((port = 1; port <= 12; port++)); do
		sed "s/\.1063/.$((2000 + port))/" both.txt
	done >many.txt
	run --separate-stderr contest explain many.txt --ladder
	[ "$status" -eq 2 ] && [ -z "$output" ]
	[[ $stderr == 'contest explain: 12 connections are too many ladders: choose with --connection '* ]]
	[ "$("$CONTEST" explain many.txt --ladder --limit 11 | grep -c CLOSING)" -eq 11 ]
	"$CONTEST" explain many.txt --connection 12 >last
	grep -q '10\.51\.31\.141:2012' last
	[ "$(grep -c 'client *server$' last)" -eq 1 ]
}

@test "the ladder of a connection is that of its own, where others had the same ends" {
	article
	{
		cat stamps.txt
		echo '14:02:48.704600 IP 10.51.31.141.1027 > 10.51.31.140.5000: Flags [R.], seq 1, ack 27, win 15, length 0'
		sed 's/14:02:48/14:03:48/; s/2561683863/2661683863/; s/2561683864/2661683864/; s/1524418616/1624418616/' stamps.txt
	} >twice.txt
	explained 0 twice.txt
	is 'length == 2 and .[0].ending == "reset" and .[1].ending == "open"'
	"$CONTEST" explain twice.txt --connection 1 >first
	"$CONTEST" explain twice.txt --connection 2 >second
	grep -q ' RST+ACK seq=' first
	[ "$(grep -c ' RST+ACK seq=' second)" -eq 0 ]
	grep -q ' SYN seq=' second
}

@test "a picture, whole or not at all" {
	article
	echo before >picture.svg
	"$CONTEST" explain both.txt --svg picture.svg >text
	head -c 200 picture.svg | grep -q '<svg'
	tail -n 1 picture.svg | grep -q '</svg>'
	if command -v xmllint >/dev/null; then xmllint --noout picture.svg; fi
	grep -q 'CLOSING' picture.svg
	[[ $(head -n 1 text) == '1 connection, 5 packets'* ]]
	fails_with 3 'contest explain: cannot write none/x.svg: No such file or directory' \
		explain both.txt --svg none/x.svg
	fails_with 3 "contest explain: cannot write $PWD: Is a directory" explain both.txt --svg "$PWD"
	ls -A >files
	[ "$(grep -c 'svg' files)" -eq 1 ]
	if [ -c /dev/full ]; then
		run --separate-stderr contest explain both.txt --json --svg /dev/full
		[ "$status" -ne 0 ] || skip 'what is written to /dev/full is replaced'
	fi
}

@test "Zeek's columns" {
	article
	"$CONTEST" explain both.txt --format zeek >conn.log
	[ "$(head -n 1 conn.log)" = '#separator \x09' ]
	columns=$(sed -n 's/^#fields\t//p' conn.log | tr '\t' '\n' | wc -l)
	[ "$(grep -v '^#' conn.log | tr '\t' '\n' | wc -l)" -eq "$columns" ]
	grep -v '^#' conn.log | grep -q $'\t10.51.31.141\t1063\t10.51.31.140\t5000\ttcp\t'
}

@test "problems: the answer is bad, with status 1" {
	article
	{
		cat stamps.txt
		echo '14:02:48.704600 IP 10.51.31.141.1027 > 10.51.31.140.5000: Flags [R.], seq 1, ack 27, win 15, length 0'
	} >reset.txt
	run --separate-stderr contest explain reset.txt --problems
	[ "$status" -eq 1 ] && [ -z "$stderr" ]
	[[ $output == *'reset-unread'* ]]
	[[ $output == *'contest explain reset.txt --connection 1 --ladder'* ]]
	cat close.txt reset.txt >two.txt
	explained 1 two.txt --problems
	is 'map(.problem) == ["reset-unread"]'
	run --separate-stderr contest explain close.txt --problems
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
}

@test "a reader that has seen enough ends it without a word" {
	article
	for ((port = 1; port <= 3000; port++)); do
		sed "s/\.1063/.$port/" both.txt
	done >many.txt
	run --separate-stderr bash -c '"$CONTEST" explain many.txt --json | head -n 1'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "bounded memory: the longest idle are forgotten, and it says how many" {
	article
	for ((port = 1; port <= 50; port++)); do
		sed "s/\.1027/.$port/" stamps.txt
	done >many.txt
	explained 0 many.txt --max-connections 10
	is 'length == 50 and (map(select(.evicted)) | length) == 40'
	"$CONTEST" explain many.txt --max-connections 10 | grep -q '40 connections forgotten early'
}

# ---- live

# alone FUNCTION: runs the function in namespaces of its own, with loopback up, in the test's folder.
alone() {
	needs unshare jq
	needs_worlds
	# shellcheck disable=SC2163 # the function that it names
	export -f "$1" watch stop has_line wait_until quiet
	local as_root=(--map-root-user --user)
	[ "$(id -u)" -ne 0 ] || as_root=()
	timeout 120 unshare "${as_root[@]}" --net --pid --fork --mount-proc --kill-child \
		bash -euo pipefail -c 'ip link set lo up; "$1"' bash "$1" 3>&- || {
		local status=$?
		echo "status $status"
		head -n 60 out.json err served load.out 2>/dev/null
		return 1
	}
}

# watch ARGUMENTS…: explains what passes loopback in the background, as $pid; begun when it returns.
watch() {
	: >err
	env --default-signal "$CONTEST" explain -i lo "$@" >out.json 2>err &
	pid=$!
	wait_until has_line '^contest explain: listening on lo$' err
}

# quiet: nothing but that was said on stderr.
quiet() {
	[ "$(cat err)" = 'contest explain: listening on lo' ]
}

# stop SIGNAL: ends it; its exit status is $status.
stop() {
	kill -"$1" "$pid"
	status=0
	wait "$pid" || status=$?
}

@test "live: connections are told as they end, and Ctrl-C ends it" {
	story() {
		"$CONTEST" serve --listen 127.0.0.1 --port 5000 >served 2>&1 &
		wait_until has_line '^listening on ' served
		watch --json port 5000
		"$CONTEST" load --connections 30 127.0.0.1:5000 >load.out
		told() { [ "$(wc -l <out.json)" -eq 30 ]; }
		wait_until told
		stop INT
		[ "$status" -eq 0 ] && quiet
		jq -es 'length == 30 and all(.closed_first == "server" and .ending == "graceful"
			and .time_wait_holder == "server" and .server_state == "TIME-WAIT")' out.json
		watch port 5000
		"$CONTEST" load --connections 7 --close active 127.0.0.1:5000 >load.out
		stop TERM
		[ "$status" -eq 0 ] && quiet
		has_line '^7 connections, ' out.json
		watch --connection 2 port 5000
		"$CONTEST" load --connections 3 127.0.0.1:5000 >load.out
		stop INT
		[ "$status" -eq 0 ] && quiet
		has_line 'SYN-SENT ├── SYN seq=0' out.json
	}
	alone story
}

@test "live: it ends by itself, and says when there was nothing" {
	story() {
		status=0
		"$CONTEST" explain -i lo --duration 200ms port 81 2>err >out.json || status=$?
		[ "$status" -eq 1 ]
		has_line '^contest explain: there was no packet$' err
	}
	alone story
}

@test "live: without privilege it says what is missing; what is no interface, which there are" {
	needs setpriv
	story() {
		status=0
		setpriv --bounding-set -all --inh-caps -all "$CONTEST" explain -i lo 2>err || status=$?
		[ "$status" -eq 3 ]
		has_line '^contest explain: cannot capture on lo without CAP_NET_RAW: ' err
		status=0
		"$CONTEST" explain -i nosuch 2>err || status=$?
		[ "$status" -eq 3 ]
		has_line '^contest explain: there is no interface nosuch; there are: .*lo' err
		status=0
		"$CONTEST" explain -i lo 'prot 80' 2>err || status=$?
		[ "$status" -eq 2 ]
	}
	alone story
}

@test "live: a line on a terminal tells what goes on" {
	needs tmux
	story() {
		"$CONTEST" serve --listen 127.0.0.1 --port 5000 >served 2>&1 &
		wait_until has_line '^listening on ' served
		tmux -S "$PWD/tmux" -f /dev/null new-session -d -x 100 -y 30 \
			"echo; '$CONTEST' explain -i lo port 5000; echo status \$?; read"
		screen_has() { tmux -S "$PWD/tmux" capture-pane -p -S -200 >out.json && has_line "$1" out.json; }
		wait_until screen_has '^contest explain: listening on lo$'
		"$CONTEST" load --connections 12 127.0.0.1:5000 >load.out
		wait_until screen_has 'connections 12  ended 12'
		tmux -S "$PWD/tmux" send-keys C-c
		wait_until screen_has 'status 0'
		has_line '^12 connections, ' out.json
		[ "$(grep -c 'ended 12' out.json)" -eq 0 ]
	}
	alone story
}

# catches_int: the program still waits for its first Ctrl-C.
catches_int() {
	[ $((0x$(awk '/^SigCgt/ { print $2 }' "/proc/$pid/status") & 2)) -ne 0 ]
}

catches_no_int() {
	! catches_int
}

@test "Ctrl-C while a pipe is read: what came by then is told; a second one ends the program" {
	article
	mkfifo pipe
	exec 7<>pipe
	# shellcheck disable=SC2094
	env --default-signal "$CONTEST" explain --json <pipe >out.json 2>err &
	pid=$!
	cat both.txt >&7
	wait_until catches_int
	kill -INT "$pid"
	wait "$pid" # within a second, since the pipe is not closed
	is 'length == 1 and .[0].closed_first == "both"'
	[ ! -s err ]

	env --default-signal "$CONTEST" explain --json <pipe >out.json 2>err &
	pid=$!
	cat both.txt >&7
	wait_until catches_int
	kill -INT "$pid"
	wait_until catches_no_int
	stop INT
	exec 7>&-
	[ "$status" -eq 130 ]
	[ ! -s out.json ] && [ ! -s err ]
}

@test "Ctrl-C for a whole pipe: what its writer still has to say counts" {
	needs setsid
	article
	writer() { # as tcpdump does, which keeps a block back until it is ended
		trap 'cat both.txt; exit' INT
		cat close.txt
		: >begun
		while :; do sleep 0.05; done
	}
	export -f writer
	# A group of its own gets the signal, as from a terminal.
	setsid env --default-signal bash -c 'echo $$ >group; writer | "$CONTEST" explain --json >out.json 2>err; :' &
	wait_until [ -e begun ]
	catching() { # the reader has been started, and waits
		pid=$(pgrep -g "$(cat group)" -x contest) && catches_int
	}
	wait_until catching
	kill -INT -- "-$(cat group)"
	wait || true
	is 'length == 2 and .[1].closed_first == "both"'
	[ ! -s err ]
}

@test "help shows the letters" {
	contest explain --help >help
	grep -q -- '^  -i, --interface IFACE' help
	grep -q -- '^  -r, --read FILE' help
}
