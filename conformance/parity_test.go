package conformance

// parityData is a group with parity of both kinds.
const parityData story = `
0     spm 0 4..3 prm 4 3
1+1x4 odata 4++ trail 4
6     odata 4 trail 4 encode 4 4 0
8     nak 4 parity
9     ncf 4 parity
10    rdata 5 trail 4 encode 4 4 1
20    spm 1 4..7 prm 4 3
`

// fragmented is another group behind it, of which two packets are the fragments of one APDU, and two have no OPT_FRAGMENT; fragmentParity is its
// parity. Of the encoded option, its third octet from the beginning is at 30 in the packet.
const (
	fragmented     story = parityData + "30 odata 8 trail 4 fragment 8+0/32\n31 odata 9 trail 4 fragment 8+16/32\n32+1x2 odata 10++ trail 4\n"
	fragmentParity story = "35 odata 8 trail 4 encode 4 4 0 part 8 8+0/32 part 9 8+16/32"
)

// parityShort is another group behind it, which is ended early; nextGroup one that is not.
const (
	parityShort story = parityData + "22+1x2 odata 8++ trail 4\n24 odata 10 trail 4 tgsize 3\n"
	nextGroup   story = "30+1x4 odata 8++ trail 4\n35 odata 8 trail 4 encode 4 4 0\n"
)

var parityTrials = map[string]trial{
	"option-place/parity": {
		bad: open + "22 odata 6 prm 4 1\n23 spm 2 1..6 grp 1\n24 nak 3 tgsize 2", good: parityShort, clauses: []string{"11.8.1-02", "11.8.2-02", "11.8.3-02"},
	},
	"option-size/parity": {
		bad:  "0 spm 0 4..3 option 080c00030000000400000000\n1 odata 4 trail 4\n2 odata 4 trail 4 parity option 09040000\n3 spm 1 4..4 option 0a040000",
		good: parityShort, clauses: []string{"11.8.1-03", "11.8.2-03", "11.8.3-03", "11.4-02"},
	},
	"parity-prm": {
		bad:  "0 spm 0 1..0 prm 3 1\n10 spm 1 1..0 prm 4 0\n20 spm 2 1..0 prm 8 1",
		good: "0 spm 0 1..0 prm 4 2\n10 spm 1 1..0 prm 4 3\n20 spm 2 1..0 prm 4 3", clauses: []string{"11.2-10", "11.8.1-01"},
	},
	"parity-grp": {
		bad:  parityData + "22 odata 4 trail 4 parity grp 0\n23 odata 8 trail 4 grp 1",
		good: parityData + "22 odata 4 trail 4 encode 4 4 4", clauses: []string{"11.8.2-01", "11.8.2-02"},
	},
	"parity-offered": {
		bad:  "0 spm 0 4..3\n1+1x4 odata 4++ trail 4\n6 odata 4 trail 4 encode 4 4 0",
		good: parityData, clauses: []string{"11.4-01"},
	},
	"parity-offered/unasked": {
		bad:  "0 spm 0 4..3 prm 4 1\n1+1x4 odata 4++ trail 4\n6 odata 4 trail 4 encode 4 4 0",
		good: "0 spm 0 4..3 prm 4 2\n1+1x4 odata 4++ trail 4\n6 odata 4 trail 4 encode 4 4 0", clauses: []string{"11.4-02"},
	},
	"parity-offered/demand": {
		bad:  "0 spm 0 4..3 prm 4 2\n1+1x4 odata 4++ trail 4\n6 rdata 4 trail 4 encode 4 4 0",
		good: "0 spm 0 4..3 prm 4 2\n1+1x4 odata 4++ trail 4\n5 spm 1 4..7 prm 4 3\n6 rdata 4 trail 4 encode 4 4 0", clauses: []string{"11.4-03"},
	},
	"group-size":        {bad: parityData + "22 odata 8 trail 4 tgsize 9\n23 odata 9 trail 4 tgsize 1", good: parityShort, clauses: []string{"11.2-15", "11.8.3-01"}},
	"group-size/parity": {bad: parityShort + "30 odata 8 trail 4 encode 4 4 0", good: parityShort + "30 odata 8 trail 4 encode 4 3 0", clauses: []string{"11.4-18"}},
	"group-size/spm": {
		bad: parityShort + "40 spm 2 4..10 prm 4 3", good: parityShort + "40 spm 2 4..10 prm 4 3 tgsize 3\n50 odata 12 trail 4\n60 spm 3 4..12 prm 4 3", clauses: []string{"11.4-19"},
	},
	"group-size/behind": {bad: parityShort + "40 odata 11 trail 4", good: parityShort + "40 odata 12 trail 4", clauses: []string{"11.2-13"}},
	"odata-order/groups": {
		bad:  parityShort + "40 odata 12 trail 4\n41 odata 15 trail 4",
		good: parityShort + "40 odata 12 trail 4\n41 odata 13 trail 4", clauses: []string{"3.2-01"}, c: Config{Complete: true},
	},
	"parity-number": {bad: parityData + "22 odata 4 trail 4 parity grp 63", good: parityData + "22 odata 4 trail 4 encode 4 4 250", clauses: []string{"11.1-01"}},
	"parity-after": {
		bad:  "0 spm 0 4..3 prm 4 2\n1+1x3 odata 4++ trail 4\n5 odata 4 trail 4 encode 4 4 0\n400 odata 7 trail 4",
		good: "0 spm 0 4..3 prm 4 2\n1+1x3 odata 4++ trail 4\n5 odata 4 trail 4 encode 4 4 0\n6 odata 7 trail 4", clauses: []string{"11.4-04"},
	},
	"parity-shape": {
		bad:  parityData + "22 odata 6 trail 4 parity data x\n23 odata 7 trail 4 parity var data none\n24 odata 4 trail 4 parity grp 1 fragment 4+0/40",
		good: parityData + "22 odata 6 trail 4 encode 4 4 2", clauses: []string{"11.2-17", "11.2-22", "11.2-23"},
	},
	"parity-shape/fragment": { // OP_ENCODED is missing; then the option is, in one of two parity packets
		bad:  fragmented + fragmentParity + " flip 30 04 poke 31 00\n" + fragmentParity + "\n36 odata 9 trail 4 encode 4 4 1",
		good: fragmented + fragmentParity + "\n36 odata 9 trail 4 encode 4 4 1 part 8 8+0/32 part 9 8+16/32", clauses: []string{"11.2-23"},
	},
	"parity-content/fragment": {
		bad: fragmented + "35 odata 8 trail 4 encode 4 4 0", good: fragmented + fragmentParity, clauses: []string{"11.2-23"},
	},
	"parity-content/null":   {bad: fragmented + fragmentParity + " flip 31 80", good: fragmented + fragmentParity, clauses: []string{"11.2-25"}},
	"parity-content/option": {bad: fragmented + fragmentParity + " flip 43 01", good: fragmented + fragmentParity, clauses: []string{"11.2-24"}},
	"option-encoded/parity": {
		bad: parityShort + "30 odata 8 trail 4 encode 4 3 0 flip 30 04\n31 odata 8 trail 4 encode 4 3 4 flip 39 80", good: parityShort + "30 odata 8 trail 4 encode 4 3 0", clauses: []string{"9-07"},
	},
	"parity-content":        {bad: parityData + "22 odata 6 trail 4 encode 4 4 2 poke 24 ff", good: parityData + "22 odata 6 trail 4 encode 4 4 2", clauses: []string{"11.2-04"}},
	"parity-content/length": {bad: parityData + "30+1x4 odata 8++ trail 4\n35 odata 8 trail 4 encode 4 4 0 poke 41 ffff", good: parityData + nextGroup, clauses: []string{"11.2-19"}},
	"parity-content/flag": {
		bad: parityData + "30+1x4 odata 8++ trail 4\n35 odata 8 trail 4 parity data 0123456789abcdefg", good: parityData + nextGroup, clauses: []string{"11.2-22"},
	},
	"parity-repeated": {
		bad:  parityData + "22 rdata 6 trail 4 encode 4 4 2\n" + nextGroup + "36 nak 8 parity\n37 ncf 8 parity\n38 rdata 8 trail 4 encode 4 4 0",
		good: parityData + "22 rdata 6 trail 4 encode 4 4 2\n23 rdata 4 trail 4 encode 4 4 0\n" + nextGroup, clauses: []string{"11.4-10"}, c: Config{Complete: true},
	},
}

var parityRequestTrials = map[string]trial{
	"parity-nak":            {bad: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 4 parity", good: parityData, clauses: []string{"11.5-01"}},
	"parity-nak/unasked":    {bad: "0 spm 0 4..3 prm 4 2\n1+1x4 odata 4++ trail 4\n8 nak 4 parity", good: parityData, clauses: []string{"11.5-03"}},
	"parity-nak-only":       {bad: parityData + "1000+10x8 spm 2++ 4..7 prm 4 3\n2000 nak 5", good: parityData + "22 odata 8 trail 4\n1000+10x8 spm 2++ 4..8 prm 4 3\n2000 nak 8", clauses: []string{"11.5-04"}},
	"parity-nak-early":      {bad: "0 spm 0 4..3 prm 4 3\n1+1x2 odata 4++ trail 4\n400 nak 4 parity", good: parityShort + "30 nak 9 parity", clauses: []string{"11.5-07"}},
	"parity-nak-count":      {bad: "0 spm 0 4..3 prm 4 3\n1+1x3 odata 5++ trail 4\n100 nak 5 parity", good: "0 spm 0 4..3 prm 4 3\n1+1x3 odata 5++ trail 4\n100 nak 4 parity", clauses: []string{"11.5-08"}, c: Config{At: readerAddr}},
	"parity-nak-count/held": {bad: parityData + "100 nak 4 parity", good: parityData, clauses: []string{"6.3-12"}, c: Config{At: readerAddr}},
	"parity-ncf": {
		bad:     "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n1000+100x10 nak 4 parity\n1050+100x10 odata 8++ trail 4",
		good:    "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n1000+100x10 nak 4 parity\n1001+100x10 ncf 4 parity\n1002+100x10 rdata 4++ trail 4 encode 4 4 0++\n1050+100x10 odata 8++ trail 4",
		clauses: []string{"11.4-06"},
	},
	"parity-ncf-count": {
		bad: "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n8 nak 4 parity\n9 ncf 5 parity\n", good: parityData, clauses: []string{"11.4-06"}, c: Config{Complete: true},
	},
	"parity-answers": {
		bad:     "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n1000+2000x8 nak 4 parity\n1001+2000x8 ncf 4 parity",
		good:    "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n1000+2000x8 nak 4 parity\n1001+2000x8 ncf 4 parity\n1002+2000x4 rdata 4++ trail 4 encode 4 4 0++\n9002+2000x4 rdata 4++ trail 4 encode 4 4 4++",
		clauses: []string{"11.4-08"},
	},
	"parity-answers/fewer": {
		bad:     "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n8 nak 6 parity\n9 ncf 6 parity\n10 rdata 4 trail 4 encode 4 4 0\n15000 odata 8 trail 4",
		good:    "0 spm 0 4..3 prm 4 3\n1+1x4 odata 4++ trail 4\n8 nak 6 parity\n9 ncf 6 parity\n10+1x3 rdata 4++ trail 4 encode 4 4 0++\n15000 odata 8 trail 4",
		clauses: []string{"11.4-08"}, c: Config{Complete: true},
	},
	"parity-unasked": {bad: parityData + nextGroup + "40 rdata 9 trail 4 encode 4 4 1", good: parityData + nextGroup + "39 nak 8\n39.5 ncf 8\n40 rdata 9 trail 4 encode 4 4 1", clauses: []string{"11.4-08"}, c: Config{Complete: true}},
	"parity-repair":  {bad: parityData + "1000 nak 5\n1001 ncf 5\n1002 rdata 5 trail 4", good: parityData + "22 odata 8 trail 4\n1000 nak 8\n1001 ncf 8\n1002 rdata 8 trail 4", clauses: []string{"11.4-11"}},
}
