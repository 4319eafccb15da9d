# A second opinion on made-up captures: tshark's, connection by connection (its streams and ours are
# numbered in the order of their first packets).
#
# Where the two differ, and why: a FIN or SYN that comes again is a retransmission to tshark, and
# counted apart here; so are keep-alives. What tshark calls a retransmission but has a byte that was
# not captured before fills a hole, and is none here. A late segment that comes twice is out of order
# twice to tshark, and a repeat here the second time, so disorder and copies are looked at apart.
# Connections on the same ends are told apart by both from the SYN of the second one; without it
# (lost) they may differ, so the captures with losses have no such pairs.

load helpers
load explain_made_up

# Per stream: FINs beyond the first of each end, RSTs, segments with repeated data.
tshark_opinion() { # tshark_opinion FILE
	tshark -n -r "$1" -T fields -E separator=/t -e tcp.stream -e tcp.srcport -e tcp.flags.fin \
		-e tcp.flags.reset -e tcp.len -e tcp.analysis.retransmission 2>"$1.tshark" |
		awk -F '\t' '
			$1 > last { last = $1 }
			$3 ~ /^(1|True)$/ && fins[$1, $2]++ { fin[$1]++ }
			$4 ~ /^(1|True)$/ { rst[$1]++ }
			$5 > 0 && $6 != "" { again[$1]++ }
			END { for (i = 0; i <= last; i++) print i + 1, fin[i] + 0, rst[i] + 0, again[i] + 0 }'
}

our_opinion() { # our_opinion FILE
	jq -r '[.number, .fin_retransmits, (.rst.count // 0),
		.client_retransmits + .server_retransmits] | join(" ")' "$1.json"
}

compare() { # compare OPTION…
	made_up file "$@"
	explained file
	cd "$BATS_TEST_TMPDIR" || return 1
	tshark_opinion file >theirs
	our_opinion file >ours
	echo "tshark: $(wc -l <theirs) connections, we: $(wc -l <ours)"
	diff theirs ours | head -n 20
	[ -s ours ]
	cmp theirs ours
}

@test "explain and tshark: streams, FINs, RSTs and retransmissions of a clean capture" {
	needs tshark jq
	compare --connections 2000
}

@test "explain and tshark: with disorder" {
	needs tshark jq
	compare --connections 1000 --packets 20000 --retransmitted 100 --reordered 100 --seed 2
}

@test "explain and tshark: with packets that came twice" {
	needs tshark jq
	compare --connections 1000 --packets 20000 --retransmitted 100 --reordered 0 --duplicated 50 \
		--seed 3
}

@test "explain and tshark: with packets that were not captured" {
	needs tshark jq
	compare --connections 1000 --packets 20000 --retransmitted 50 --reordered 0 --lost 30 \
		--reused 0 --seed 4
}
