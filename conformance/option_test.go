package conformance

import (
	"strings"
)

var seventeen = strings.Repeat(" option 20040000", 17)

var optionTrials = map[string]trial{
	"option-length-first": {
		bad:     plain + "61 spm 4 1..5 fin poke 36 01\n62 spm 5 1..5 fin poke 38 0100",
		good:    plain,
		clauses: []string{"9.1-01"},
	},
	"option-end": {
		bad:     plain + "61 spm 4 1..5 fin poke 40 0e\n62 spm 5 1..5 join 1 fin poke 40 83",
		good:    plain + "61 spm 4 1..5 join 1 fin",
		clauses: []string{"9-04"},
	},
	"option-framing": {
		bad:     plain + "61 spm 4 1..5 fin poke 41 03\n62 spm 5 1..5 fin poke 41 05",
		good:    plain,
		clauses: []string{"9-10"},
	},
	"option-count": {
		bad:     story(string(plain) + "61 spm 4 1..5 fin" + seventeen),
		good:    story(string(plain) + "61 spm 4 1..5 fin" + seventeen[:15*16]),
		clauses: []string{"9-08"},
	},
	"option-reserved": {
		bad:     plain + "61 spm 4 1..5 fin poke 42 40\n62 spm 5 1..5 fin poke 43 01",
		good:    plain + "61 spm 4 1..5 fin option 20040001",
		clauses: []string{"9-05"},
	},
	"option-encoded": {
		bad:     plain + "61 spm 4 1..5 fin poke 42 04\n62 spm 5 1..5 fin poke 43 80",
		good:    "0 spm 0 8..7 prm 4 2\n1 odata 4 trail 4 parity option 01100480000000040000000000000028",
		clauses: []string{"9-07"},
	},
	"option-order": {
		bad:     plain + "61 spm 4 1..5 fin option 08080001 option 00000008",
		good:    plain + "61 spm 4 1..5 option 0808000100000008 fin",
		clauses: []string{"9.1-03"},
	},
	"network-significant": {
		bad:     plain + "61 spm 4 1..5 fin poke 5 03\n9.5 nak 2 3 poke 5 01",
		good:    plain + "61 spm 4 1..5 option 0808000100000008 fin\n8 nak 2 3",
		clauses: []string{"8-07", "8-08"},
	},
	"option-place": {
		bad: plain + `
61 spm 4 1..5 syn fin
62 spm 5 1..5 fragment 1+0/20 fin
63 spm 6 1..5 option 0208000000000001 fin
3.5 rdata 3 rst 0
8 nak 2 fin
8 ncf 2 join 1
`,
		good:    plain,
		clauses: []string{"9.2-01", "9.3-01", "9.4.3-01", "9.6-01", "9.7.2-01", "9.8-02"},
	},
	"option-size": {
		bad: plain + `
61 spm 4 1..5 option 0e05000000
62 spm 5 1..5 fin option 03040000
63 spm 6 1..5 option 0f05000000
12 rdata 1 option 0d05000000
13 odata 6 option 010c00000000000700000014
8 nak 2 option 020600000000
`,
		good:    plain + "61 spm 4 1..5 join 1 fin\n8 nak 2 3 4",
		clauses: []string{"9.7.4-01", "9.8.4-01", "9.4.3-01", "9.6.4-01", "9.2.4-01", "9.3-02"},
	},
}
