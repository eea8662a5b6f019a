package conformance

// plain is a session with one loss.
const plain story = `
0    spm 0 1..0
1+1x5 odata 1++
8    nak 2
9    ncf 2
10   rdata 2
20   spm 1 1..5
40   spm 2 1..5 fin
60   spm 3 1..5 fin
`

var headerTrials = map[string]trial{
	"version":       {bad: plain + "12 odata 6 poke 4 44", good: plain, clauses: []string{"8-04"}},
	"type-reserved": {bad: plain + "8 nak 3 poke 4 18", good: plain, clauses: []string{"8-05"}},
	"options-bits":  {bad: plain + "61 spm 4 1..5 fin poke 5 21", good: plain, clauses: []string{"8-07"}},
	"var-pktlen":    {bad: plain + "12 odata 6 poke 5 40", good: plain, clauses: []string{"8-09"}},
	"checksum":      {bad: plain + "12 odata 6 spoil 24 ff", good: plain, clauses: []string{"8-10"}},
	"data-checksum": {bad: plain + "12 odata 6 spoil 6 0000", good: plain + "61 spm 4 1..5 fin spoil 6 0000", clauses: []string{"8-12"}},
	"tsdu-length":   {bad: plain + "12 odata 6 poke 14 0001\n12 spm 9 1..5 poke 14 0001", good: plain, clauses: []string{"8-17"}},
	"no-data":       {bad: plain + "8 nak 2 pad 4", good: plain, clauses: []string{"8-01"}},
	"layout": {
		bad:     plain + "61 spm 4 1..5 cut 2\n8 nak 2 cut 20\n12 odata 6 size 0 cut 4",
		good:    plain,
		clauses: []string{"8.1-01", "8.2-01", "8.3-01"},
	},
	"nla": {bad: plain + "61 spm 4 1..5 poke 28 0009\n8 nak 2 poke 22 00ff", good: plain, clauses: []string{"8-18"}},
	"router-alert": {
		bad:     "0 spm 0 1..0 ip\n1 odata 1 ip\n2 ncf 1 ip\n3 rdata 1 ip",
		good:    "0 spm 0 1..0 ip alert\n1 odata 1 ip\n2 nak 1 ip\n3 ncf 1 ip alert\n4 rdata 1 ip alert",
		clauses: []string{"4-01"},
	},
}
