#!/usr/bin/env bats
# The whole catalogue, played for real: as it is, over the other wire, and in the worlds where the
# claims are false; all at the same time, since experiments mostly wait, but for those that measure
# speed. Takes as long as the longest kernel timer among them (about four minutes), and two more.

load helpers

setup_file() {
	needs jq
	needs_worlds
	[ -x "$CONTEST" ] || {
		echo "no program at $CONTEST: run make, or set CONTEST" >&2
		return 1
	}
	cd "$BATS_FILE_TMPDIR" || return 1
	"$CONTEST" lab list --json >catalogue.json
	mapfile -t ids < <(jq -r '.experiments[] | select(.alone | not) | .id' catalogue.json)
	mapfile -t measuring < <(jq -r '.experiments[] | select(.alone) | .id' catalogue.json)
	play() { # play NAME OPTION… ID…
		local name=$1
		shift
		"$CONTEST" lab run "$@" --out "$name" >"$name.table" 2>"$name.progress" 3>&- ||
			echo "$name: status $?" >>statuses
	}
	play true --link auto "${ids[@]}" &
	play false --link auto --falsify "${ids[@]}" &
	play veth --link veth "${ids[@]}" &
	wait
	# What measures speed or memory would be disturbed by the other two.
	play speed "${measuring[@]}"
	# Beside other work they may say that this machine cannot tell, or come too late with what they
	# wait for. Then they are asked once more.
	again() { # again NAME VERDICT OPTION…
		local name=$1 unsettled
		mapfile -t unsettled < <(jq -r --arg verdict "$2" \
			'.results[] | select(.verdict == $verdict) | .id' "$name/results.json")
		[ ${#unsettled[@]} -gt 0 ] || return 0
		play "$name-again" "${@:3}" "${unsettled[@]}"
		jq -s '.[1].results as $again | .[0] | .results |= map(.id as $id |
			first($again[] | select(.id == $id)) // .)' \
			"$name/results.json" "$name-again/results.json" >both.json
		mv both.json "$name/results.json"
	}
	again speed inconclusive
	play slow --falsify "${measuring[@]}"
	again slow error --falsify
}

setup() {
	needs jq
	cd "$BATS_FILE_TMPDIR" || return 1
	[ -e true/results.json ] || {
		cat true.progress
		return 1
	}
}

# verdicts NAME: "ID VERDICT" of each result of a run.
verdicts() {
	jq -r '.results[] | "\(.id) \(.verdict)"' "$1/results.json"
}

# settled NAME COUNT: every one of so many has a verdict that settles it.
settled() {
	[ "$(verdicts "$1" | wc -l)" -eq "$2" ]
	jq -r '.results[] | select(.verdict | IN("holds", "refuted", "changed") | not) |
		"\(.id): \(.verdict): \(.summary)"' "$1/results.json" >bad
	cat bad
	[ ! -s bad ]
}

# differ NAME OTHER: every verdict is another there, and none an error.
differ() {
	join <(verdicts "$1" | sort) <(verdicts "$2" | sort) >both
	[ "$(wc -l <both)" -eq "$(verdicts "$1" | wc -l)" ]
	jq -r '.results[] | select(.verdict == "error") | "\(.id): \(.summary)"' "$2/results.json" >bad
	awk '$2 == $3' both >>bad
	cat bad
	[ ! -s bad ]
}

@test "every experiment comes to a verdict" {
	settled true "$(jq '[.experiments[] | select(.alone | not)] | length' catalogue.json)"
}

@test "what measures speed comes to a verdict, and to another where its claim is false" {
	settled speed "$(jq '[.experiments[] | select(.alone)] | length' catalogue.json)"
	differ speed slow
}

@test "every experiment can fail: where its claim is false the verdict is another" {
	differ true false
}

@test "over veth the verdicts are the same" {
	[ "$(jq -r .link veth/results.json)" = veth ]
	diff <(verdicts true) <(verdicts veth)
}

@test "the documents follow their schema" {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	for name in true false veth speed slow; do
		/usr/bin/python3 -m jsonschema -i $name/results.json "$root/docs/contest.lab.1.schema.json"
	done
}

@test "each experiment leaves a capture that others can read" {
	needs tcpdump
	for id in $(jq -r '.results[].id' true/results.json); do
		arms=$(jq --arg id "$id" '[.results[] | select(.id == $id) | .arms[].packets] | add' true/results.json)
		left_out=$(jq --arg id "$id" '[.results[] | select(.id == $id) | .arms[].packets_left_out] | add' true/results.json)
		# What has no wire has no packets.
		[ "$arms" -gt 0 ] || continue
		packets=$(tcpdump -nr "true/$id.pcapng" 2>/dev/null | wc -l)
		echo "$id: $packets packets, $arms on the wires, $left_out left out"
		[ "$packets" -eq $((arms - left_out)) ]
	done
}

@test "show draws what happened, for each experiment" {
	for id in $(jq -r '.results[].id' true/results.json); do
		run --separate-stderr contest lab show "$id" --results true/results.json
		echo "$id: status $status $stderr"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[[ $output == *"Last result"* ]]
	done
}

@test "what explain infers from the packets is what the kernel says" {
	# The states in the last row of a ladder against the last state that sock_diag reported
	# before a timer alone changed it. Only where one connection made up the arm, nothing was
	# left out, and each end is known.
	jq -r '.results[] | .id as $id | .arms[] | select((.exchanges | length) == 1 and (.sockets | length) == 2) |
		.name as $arm | .exchanges[0] as $x | $x.rows[-1] as $row | select($x.left_out == 0) |
		.sockets[] | . as $socket |
		(if .local == $x.left_address then $row.left_state elif .local == $x.right_address then $row.right_state else null end) as $inferred |
		select($inferred != null) |
		# The ladder ends with the last packet; the socket may go on by its timer.
		([.changes[].state] | index($inferred)) as $found |
		select($found == null) |
		# A kernel may drop these two without a packet (tcp_max_tw_buckets): no capture shows it.
		select((($inferred | IN("FIN-WAIT-2", "TIME-WAIT")) and .changes[-1].state == "CLOSED") | not) |
		"\($id) \($arm) \(.host): inferred \($inferred), seen \([.changes[].state] | join(" "))"' true/results.json >bad
	cat bad
	[ ! -s bad ]
}
