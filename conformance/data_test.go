package conformance

var dataTrials = map[string]trial{
	"odata-order": {
		bad: "0 spm 0 1..0\n1 odata 1\n2 odata 2\n3 odata 4\n400 odata 3", good: "0 spm 0 1..0\n1 odata 1\n2 odata 2\n3 odata 4\n4 odata 3",
		clauses: []string{"5.1.1-01"},
	},
	"odata-order/complete": {bad: "0 spm 0 1..0\n1 odata 1\n2 odata 3\n3 odata 2", good: plain, clauses: []string{"3.2-01"}, c: Config{Complete: true}},
	"odata-content":        {bad: open + "22 odata 5 data other", good: open + "22 odata 5", clauses: []string{"3.2-01"}},
	"rdata-content":        {bad: open + "22 rdata 2 data other", good: open + "22 rdata 2 trail 2", clauses: []string{"3.6.2.2-01"}},
	"rdata-content/fragment": {
		bad:  "0 spm 0 1..0\n1 odata 1 size 20 fragment 1+0/40\n2 odata 2 size 20 fragment 1+20/40\n3 nak 1\n4 ncf 1\n5 rdata 1 size 20",
		good: "0 spm 0 1..0\n1 odata 1 size 20 fragment 1+0/40\n2 odata 2 size 20 fragment 1+20/40\n3 nak 1\n4 ncf 1\n5 rdata 1 size 20 fragment 1+0/40", clauses: []string{"3.6.2.2-01"},
	},
	"rdata-unsent":    {bad: open + "22 rdata 9", good: open + "22 rdata 5", clauses: []string{"5.3-01"}},
	"rdata-confirmed": {bad: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10 rdata 2", good: open, clauses: []string{"5.3-01"}},
	"rdata-answers": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n1000+2000x8 nak 2\n1001+2000x8 ncf 2",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n1000+2000x8 nak 2\n1001+2000x8 ncf 2\n1002+2000x8 rdata 2",
		clauses: []string{"5.3-01"},
	},
	"rdata-answers/end": {
		bad:     open + "30 nak 4\n31 ncf 4\n15000 odata 6",
		good:    open + "30 nak 4\n31 ncf 4\n32 rdata 4\n15000 odata 6",
		clauses: []string{"5.3-01"},
	},
	"rdata-unasked": {bad: open + "22 rdata 3", good: open, clauses: []string{"5.3-01"}, c: Config{Complete: true}},
	"nnak":          {bad: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nnak 2\n9 ncf 2\n10 rdata 2", good: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nnak 2\n20 spm 1 1..5", clauses: []string{"8.3-05"}},
}

var ncfTrials = map[string]trial{
	"ncf-source": {bad: open + "21 ncf 2 from 10.0.0.9\n22 ncf 2 source 10.0.0.9\n23 ncf 2 group 239.9.9.9", good: open, clauses: []string{"3.6.4.1-01", "8.3-04"}},
	"ncf-group":  {bad: open + "21 ncf 2 to 10.0.0.2", good: open, clauses: []string{"5.2-01"}},
	"ncf-list": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2 3 4\n9 ncf 2 3",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2 3 4\n8.5 nak 2 from 10.0.0.3\n9 ncf 2 3 4\n9.5 ncf 2\n10+1x3 rdata 2++",
		clauses: []string{"9.3.4-01"},
	},
	"ncf-answers": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n1000+100x10 nak 2\n1050+100x10 odata 6++",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n1000+100x10 nak 2\n1001+100x10 ncf 2\n1002+100x10 rdata 2\n1050+100x10 odata 6++",
		clauses: []string{"5.2-01"},
	},
	"ncf-prompt": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n3000 ncf 2",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10 nak 3\n500 ncf 2\n501+1x5 odata 6++\n510 ncf 3", // it was held up
		clauses: []string{"5.2-01"},
	},
	"ncf-prompt/busy": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10+20x20 spm 1++ 1..5\n420 ncf 2",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10+20x10 spm 1++ 1..5\n220 ncf 2",
		clauses: []string{"5.2-01"},
	},
	"ncf-first": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10+20x20 odata 6++\n420 ncf 2",
		good:    open + "30+20x20 odata 6++",
		clauses: []string{"5.1.3-01", "5.2-01"},
	},
	"ncf-storm":   {bad: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n9+1x400 ncf 2", good: "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n9+1x100 ncf 2", clauses: []string{"5.2-02"}},
	"ncf-unasked": {bad: open + "22 ncf 4", good: open, clauses: []string{"5.2-01"}, c: Config{Complete: true}},
}
