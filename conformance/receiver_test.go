package conformance

import "time"

var receiverTrials = map[string]trial{
	"nak-list": {
		bad:     open + "22 nak 3 5 4\n23 nak 4 4",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2 3 4\n9 ncf 2 3 4\n10+1x3 rdata 2++",
		clauses: []string{"9.3-03"},
	},
	"nak-source":     {bad: open + "22 nak 3 source 10.0.0.9\n23 nak 4 group 239.9.9.9", good: open, clauses: []string{"6.3-25", "3.6.3.1-01"}},
	"nak-before-spm": {bad: "0 odata 1 syn\n1 odata 2\n2 nak 1", good: "0 odata 1 syn\n1 odata 2\n2 spm 0 1..2\n3 nak 1", clauses: []string{"6.2-05"}},
	"nak-upstream": {
		bad:     open + "22 nak 3 to 10.0.0.9",
		good:    "0 spm 0 1..0 path 10.0.0.9\n1 odata 1\n2 odata 2\n3 nak 1 to 10.0.0.9\n20 spm 1 1..2 path 10.0.0.8\n21 nak 1 to 10.0.0.9\n22 nak 2 to 10.0.0.8",
		clauses: []string{"6.2-04"},
	},
	"nak-upstream/old": {
		bad:     "0 spm 0 1..0 path 10.0.0.9\n1 odata 1\n2 odata 2\n20 spm 1 1..2 path 10.0.0.8\n21 spm 0 1..0 path 10.0.0.9\n1000 nak 1 to 10.0.0.9",
		good:    "0 spm 0 1..0 path 10.0.0.9\n1 odata 1\n2 odata 2\n20 spm 1 1..2 path 10.0.0.8\n21 spm 0 1..0 path 10.0.0.9\n1000 nak 1 to 10.0.0.8",
		clauses: []string{"6.2-04"},
	},
	"nak-multicast": {bad: open + "22 nak 3 to 239.192.77.71 ttl 16", good: open + "22 nak 3 to 239.192.77.71 ttl 1", clauses: []string{"6.3-24"}},
	"nak-trail": {
		bad:     "0 spm 0 1..0\n1+1x5 odata 1++\n10 spm 1 4..5\n1000 nak 2",
		good:    "0 spm 0 1..0\n1+1x5 odata 1++\n10 spm 1 4..5\n20 nak 2\n21 ncf 2\n1000 nak 4\n1001 ncf 4\n1002 rdata 4 trail 4",
		clauses: []string{"6.3-13"},
	},
	"nak-unsent": {bad: open + "22 nak 9", good: open + "22 spm 2 1..9\n23 nak 9", clauses: []string{"6.3-01"}},
	"nak-repeat": {bad: open + "22 nak 3\n22.5 nak 3", good: open + "22 nak 3\n22.05 nak 3 port 7501\n22.5 nak 3 to 239.192.77.71 ttl 1\n42 nak 3", clauses: []string{"6.3-20"}},
	"nak-confirmed": {
		bad: open + "30 spm 2 1..6\n31 nak 6\n32 ncf 6\n1000 nak 6\n1001 ncf 6", good: open + "30 spm 2 1..6\n31 nak 6\n32 ncf 6\n2100 nak 6\n2101 ncf 6",
		clauses: []string{"6.3-27"}, c: Config{NAKData: 2 * time.Second, At: readerAddr},
	},
	"nak-held": {
		bad: open + "1000 nak 4\n1001 ncf 4", good: "0 spm 0 1..0\n1 odata 1\n2 odata 3\n10 nak 2\n11 ncf 2\n12 rdata 2",
		clauses: []string{"6.3-12"}, c: Config{At: readerAddr},
	},
	"nak-join": {
		bad:     "0 spm 0 1..9\n1 odata 10\n10 nak 8",
		good:    "0 spm 0 1..9\n1 odata 10\n2 spm 1 1..10 join 8\n10 nak 8",
		clauses: []string{"6.1-02"}, c: Config{At: readerAddr},
	},
	"nak-backoff": {
		bad:     "0 spm 0 1..0\n1+10x40 odata 1++\n26+10x17 nak 2++\n27+10x17 ncf 2++\n28+10x17 rdata 2++",
		good:    "0 spm 0 1..0\n1+10x40 odata 1++\n26+10.7x17 nak 2++\n27+10.7x17 ncf 2++\n28+10.7x17 rdata 2++",
		clauses: []string{"6.3-15"},
	},
	"nak-retries": {
		bad: open + "100+30x6 nak 4", good: open + "100+30x4 nak 4\n215 ncf 4\n220+30x4 nak 4",
		clauses: []string{"6.3-26"}, c: Config{NAKRetries: 3},
	},
	"nak-after-reset": {
		bad:     open + "30 spm 2 1..5 rst 64\n50 spm 3 1..5 rst 64\n1000 nak 3",
		good:    open + "30 spm 2 1..5 rst 0\n50 spm 3 1..5 rst 0\n1000 nak 3",
		clauses: []string{"9.8.1-02"},
	},
	"spmr-multicast": {
		bad:     "0 odata 1\n10 spmr to 239.192.77.71 ttl 2\n11 spm 0 1..1",
		good:    "0 odata 1\n10 spmr to 239.192.77.71 ttl 1\n10 spmr\n11 spm 0 1..1",
		clauses: []string{"13.5-02"},
	},
	"spmr-multicast/complete": {
		bad:  "0 odata 1\n10 spmr\n11 spm 0 1..1",
		good: "0 odata 1\n10 spmr to 239.192.77.71 ttl 1\n10 spmr\n10 spmr port 7501\n11 spm 0 1..1", clauses: []string{"13.5-02"}, c: Config{Complete: true},
	},
	"spmr-repeat": {bad: "0 odata 1\n10 spmr\n15 spmr\n20 spm 0 1..1", good: "0 odata 1\n9 spmr to 239.192.77.71 ttl 1\n10 spmr\n11 spmr to 239.192.77.71 ttl 1\n600 spmr\n601 spm 0 1..1", clauses: []string{"13.5-05"}},
}
