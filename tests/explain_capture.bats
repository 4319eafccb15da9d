# contest explain on made-up captures, whose truth is known, and which say the same in whatever form.

load helpers
load explain_made_up

# The first lines that differ, side by side.
same() { # same FILE FILE
	cmp -s "$1" "$2" && return
	diff "$1" "$2" | head -n 20
	echo "$(diff "$1" "$2" | grep -c '^<') lines differ"
	return 1
}

# Cuts a pcap file behind a third of its packets.
split_pcap() { # split_pcap FILE FIRST SECOND
	python3 - "$@" <<-'CODE'
		import struct, sys
		data = open(sys.argv[1], 'rb').read()
		places, at = [], 24
		while at < len(data):
		    places.append(at)
		    at += 16 + struct.unpack_from('<I', data, at + 8)[0]
		cut = places[len(places) // 3]
		open(sys.argv[2], 'wb').write(data[:cut])
		open(sys.argv[3], 'wb').write(data[:24] + data[cut:])
	CODE
}

truth_fields='{number, client, server, opened, closed_first, ending, client_state, server_state,
	time_wait_holder, fin_retransmits, rst: (.rst | if . then {from, cause} else null end)}'

@test "explain: 2,000 made-up connections of every kind are told as they were made" {
	needs jq
	made_up file --connections 2000 --packets 24000
	explained file
	cd "$BATS_TEST_TMPDIR"
	jq -c "$truth_fields + {reused, packets}" file.truth >wanted
	jq -c "$truth_fields + {reused: (.reused_after_s != null),
		packets: (.client_packets + .server_packets)}" file.json >got
	same wanted got
}

@test "explain: pcap, pcapng, packed, from a pipe, in two pieces: the same is said" {
	needs jq gzip python3
	made_up file --connections 500
	made_up ng --connections 500 --pcapng
	explained file
	explained ng
	cd "$BATS_TEST_TMPDIR"
	same file.json ng.json
	gzip -c file >packed
	explained packed
	same file.json packed.json
	"$CONTEST" explain --json - <file >piped.json
	same file.json piped.json
	split_pcap file first second
	explained first second
	same file.json first.json
}

@test "explain: loss, repeats and disorder: the ends' addresses make no difference" {
	needs jq
	local noise=(--connections 1000 --packets 20000 --retransmitted 100 --reordered 100 --lost 30
		--duplicated 30) seed
	for seed in 1 2 3; do
		made_up one "${noise[@]}" --seed $seed
		made_up other "${noise[@]}" --seed $seed --relabelled
		explained one
		explained other
		cd "$BATS_TEST_TMPDIR"
		for name in one other; do
			jq -c 'del(.client, .server)' $name.json >$name.bare
		done
		[ "$(wc -l <one.bare)" -ge 1000 ]
		! cmp -s one.json other.json
		same one.bare other.bare
	done
}

@test "explain: however many connections are kept, each packet is told of once" {
	needs jq
	made_up file --connections 2000
	cd "$BATS_TEST_TMPDIR"
	for most in 1 10 100; do
		"$CONTEST" explain --json --max-connections $most file >bounded.json
		[ "$(jq -s 'map(.client_packets + .server_packets) | add' bounded.json)" -eq \
			"$(sed 's/ packets.*//' file.made)" ]
		jq -e -s 'any(.evicted)' bounded.json
	done
}
