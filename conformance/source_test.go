package conformance

import "time"

const ms = time.Millisecond

// open is plain without an end.
const open story = `
0    spm 0 1..0
1+1x5 odata 1++
8    nak 2
9    ncf 2
10   rdata 2
20   spm 1 1..5
`

// other is a packet of another session, which shows that the capture goes on.
const other story = `
3000 odata 1 tsi 2000
`

var knownIHB = Config{IHBMin: 100 * ms}

var sourceTrials = map[string]trial{
	"session-source":  {bad: open + "22 odata 6 from 10.0.0.9", good: open + "22 odata 6", clauses: []string{"3.1-01"}},
	"session-address": {bad: "0 spm 0 1..0 to 10.0.0.2\n1 odata 1 to 10.0.0.2", good: plain, clauses: []string{"8.1-02", "8.2-02"}},
	"upstream-ports":  {bad: open + "22 nak 3 poke 0 03e81d4c", good: open, clauses: []string{"8.3-02"}},
	"spm-sqn": {
		bad:     "0 spm 5 1..0\n1 odata 1\n10 spm 5 1..1\n400 spm 4 1..1",
		good:    "0 spm 5 1..0\n1 odata 1\n10 spm 6 1..1\n10.1 spm 5 1..0\n11 spm 6 1..1",
		clauses: []string{"3.6.1.1-01"},
	},
	"spm-sqn/complete": {
		bad: "0 spm 5 1..0\n10 spm 7 1..0", good: "0 spm 0xffffffff 1..0\n10 spm 0 1..0",
		clauses: []string{"3.6.1.1-01"}, c: Config{Complete: true},
	},
	"spm-path": {bad: "0 spm 0 1..0 path 0.0.0.0\n10 spm 1 1..0 path 239.1.1.1", good: "0 spm 0 1..0 path 10.0.0.7", clauses: []string{"8.1-02"}},
	"spm-lead": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n400 spm 1 1..3\n410 spm 2 1..9\n800 odata 6",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n400 spm 1 1..5\n410 spm 2 1..6\n411 odata 6",
		clauses: []string{"8.1-03"},
	},
	"spm-ambient": {
		bad:     "0 spm 0 1..0\n1000+1000x150 odata 1++",
		good:    "0 spm 0 1..0\n1000+1000x150 odata 1++\n30500 spm 1 1..30\n60500 spm 2 1..60\n90500 spm 3 1..90\n120500 spm 4 1..120",
		clauses: []string{"5.1.4-01"},
	},
	"heartbeat-restart": {
		bad: "0 spm 0 1..0\n1 odata 1\n600 odata 2", good: "0 spm 0 1..0\n1 odata 1\n101 spm 1 1..1\n301 spm 2 1..1\n600 odata 2",
		clauses: []string{"5.1.5-02"}, c: knownIHB,
	},
	"heartbeat-restart/learned": {
		bad:     "0 spm 0 1..0\n1 odata 1\n11 spm 1 1..1\n31 spm 2 1..1\n40 odata 2\n50 spm 3 1..2\n70 spm 4 1..2\n80 odata 3\n500 odata 4",
		good:    "0 spm 0 1..0\n1 odata 1\n2 spm 1 1..1\n3 odata 2\n4 spm 2 1..2\n5 odata 3\n500 odata 4", // these SPMs are ambient
		clauses: []string{"5.1.5-02"},
	},
	"heartbeat-decay": {
		bad: "0 spm 0 1..0\n1 odata 1\n101 spm 1 1..1\n1000 spm 2 1..1", good: "0 spm 0 1..0\n1 odata 1\n101 spm 1 1..1\n301 spm 2 1..1\n701 spm 3 1..1\n800 spm 4 1..1\n1501 spm 5 1..1",
		clauses: []string{"5.1.5-03"}, c: knownIHB,
	},
	"heartbeat-decay/still": {
		bad: "0 spm 0 1..0\n1 odata 1\n101+100x20 spm 1++ 1..1", good: "0 spm 0 1..0\n1 odata 1\n101+100x10 spm 1++ 1..1",
		clauses: []string{"5.1.5-01"}, c: knownIHB,
	},
	"window-size": {bad: open + "22 spm 2 7..5", good: open + "22 spm 2 6..5", clauses: []string{"3.3-02"}},
	"data-window": {bad: open + "22 odata 6 trail 7", good: open + "22 odata 6 trail 6", clauses: []string{"6.1-11"}},
	"trail-back": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n10 spm 1 4..5\n400 odata 6 trail 2\n401 rdata 5 trail 2\n402 spm 2 3..6",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n10 spm 1 4..5\n11 odata 6 trail 2\n401 rdata 5 trail 4\n402 spm 2 5..6",
		clauses: []string{"3.6.2.1-01", "3.6.2.2-01", "8.1-03"},
	},
	"join-window": {bad: "0 spm 0 3..2 join 1\n1 odata 3 trail 3 join 4", good: "0 spm 0 3..2 join 3\n1 odata 3 trail 3 join 3", clauses: []string{"9.4.3-01"}},
	"fragment-fields": {
		bad:     open + "22 odata 6 size 20 fragment 6+0/10\n23 odata 7 size 20 fragment 8+20/40",
		good:    open + "22 odata 6 size 20 fragment 6+0/40\n23 odata 7 size 20 fragment 6+20/40",
		clauses: []string{"9.2.2-02", "9.2.4-02"},
	},
	"fragment-run": {
		bad: open + `
22 odata 6 size 20 fragment 6+0/60
23 odata 7 size 20 fragment 6+30/60
24 odata 8 size 5 fragment 5+50/60
25 odata 9 size 10 fragment 9+0/10
`,
		good:    open + "22 odata 6 size 20 fragment 6+0/60\n23 odata 7 size 20 fragment 6+20/60\n24 odata 8 size 20 fragment 6+40/60\n25 odata 9 size 10 fragment 9+0/10",
		clauses: []string{"9.2.2-01", "9.2.2-02", "9.2.4-02"},
	},
	"syn-first": {
		bad:     open + "22 odata 6 syn",
		good:    "0 spm 0 1..0\n1 odata 1 syn\n2 odata 2\n3 nak 1\n4 ncf 1\n5 rdata 1 syn",
		clauses: []string{"9.6-01"},
	},
	"fin-kept":     {bad: plain + "80 spm 4 1..5", good: plain, clauses: []string{"9.7-02"}},
	"rst-kept":     {bad: open + "30 spm 2 1..5 rst 0\n40 spm 3 1..5", good: open + "30 spm 2 1..5 rst 0\n40 spm 3 1..5 rst 0", clauses: []string{"9.8.2-01"}},
	"end-lead":     {bad: plain + "70 odata 6\n80 spm 4 1..6 fin", good: plain, clauses: []string{"9.7-03"}},
	"end-lead/rst": {bad: open + "30 spm 2 1..5 rst 0\n70 odata 6", good: open + "30 spm 2 1..5 rst 0\n31 nak 3\n32 ncf 3\n33 rdata 3", clauses: []string{"9.8-03"}},
	"rst-mute":     {bad: open + "30 spm 2 1..5 rst 64\n400 nak 3\n401 ncf 3", good: open + "30 spm 2 1..5 rst 0\n400 nak 3\n401 ncf 3", clauses: []string{"9.8.2-02"}},
	"linger":       {bad: plain + other, good: plain + "500 spm 4 1..5 fin\n1500 spm 5 1..5 fin" + other, clauses: []string{"9.7.2-03"}},
	"linger/rst":   {bad: open + "30 spm 2 1..5 rst 0" + other, good: open + "30 spm 2 1..5 rst 0\n1500 spm 3 1..5 rst 0" + other, clauses: []string{"9.8.2-05"}},
	"rate": {
		bad: "0 spm 0 1..0\n1+0.1x400 odata 1++ size 100", good: "0 spm 0 1..0\n1+2x100 odata 1++ size 100",
		clauses: []string{"5.1.2-02"}, c: Config{Rate: 100_000, Depth: 5000},
	},
	"spmr-answered": {bad: "0 spm 0 1..0\n1 odata 1\n10 spmr\n700 odata 2", good: "0 spm 0 1..0\n1 odata 1\n10 spmr\n11 spm 1 1..1\n700 odata 2", clauses: []string{"13.4-01"}},
	"spmr-limited": {
		bad: `
0 spm 0 1..0
10 spmr
11 spm 1 1..0
20 spmr from 10.0.0.3
21 spm 2 1..0
30 spmr from 10.0.0.4
31 spm 3 1..0
40 spmr from 10.0.0.5
41 spm 4 1..0
`,
		good: `
0 spm 0 1..0
10 spmr
11 spm 1 1..0
20 spmr from 10.0.0.3
30 spmr from 10.0.0.4
120 spmr from 10.0.0.5
121 spm 2 1..0
`,
		clauses: []string{"13.4-01"}, c: knownIHB,
	},
}
