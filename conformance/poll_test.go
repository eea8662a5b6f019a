package conformance

// polled is a session with a poll of two rounds, both answered.
const polled story = open + `
30  poll 1 0 mask 0xf0 rand 0x10
50  polr 1 0
100 poll 1 1 mask 0x10 rand 0x12
120 polr 1 1
`

var pollTrials = map[string]trial{
	"layout/poll": {bad: polled + "200 poll 2 0 cut 9\n201 polr 2 0 cut 1", good: polled, clauses: []string{"14.7.1-01", "14.7.2-01"}},
	"nla/poll":    {bad: polled + "200 poll 2 0 poke 26 0007", good: polled, clauses: []string{"8-18"}},
	"poll-sqn": {
		bad:     polled + "500 poll 0 0\n501 poll 1 1",
		good:    polled + "500 poll 2 0\n600 poll 4 0\n700 poll 4 1\n701 poll 3 0",
		clauses: []string{"14.4-01"},
	},
	"poll-sqn/complete": {bad: polled + "500 poll 3 0\n600 poll 3 2\n700 poll 4 1", good: polled + "500 poll 2 0", clauses: []string{"14.4-01"}, c: Config{Complete: true}},
	"poll-group": {
		bad:     open + "30 poll 1 0 to 10.0.0.2\n130 poll 2 0 to 239.9.9.9\n230 poll 3 0 from 10.0.0.7\n330 poll 4 0 ip",
		good:    polled + "500 poll 2 0 ip alert",
		clauses: []string{"14.4-06"},
	},
	"poll-rand":    {bad: open + "30 poll 1 0 rand 7\n130 poll 1 1 rand 7", good: open + "30 poll 1 0 rand 7\n130 poll 1 1 rand 8\n130.05 poll 1 1 rand 8", clauses: []string{"14.4-04"}},
	"poll-spacing": {bad: open + "30 poll 1 0 bo 500\n130 poll 2 0", good: open + "30 poll 1 0 bo 500\n130 poll 2 0 mask 0xff\n230 poll 3 0", clauses: []string{"14.4-07"}},
	"polr-asked":   {bad: polled + "121 polr 1 2\n122 polr 9 0 from 10.0.0.3", good: polled, clauses: []string{"14.5-08"}, c: Config{Complete: true, Delay: 10 * ms}},
	"polr-late":    {bad: polled + "900 polr 1 1 from 10.0.0.3", good: polled + "300 polr 1 1 from 10.0.0.3", clauses: []string{"14.5-06"}},
	"polr-once":    {bad: polled + "125 polr 1 1", good: polled + "120.01 polr 1 1\n125 polr 1 1 from 10.0.0.3", clauses: []string{"14.5-06"}},
	"polr-path": {
		bad:     open + "30 poll 1 0 path 10.0.0.7\n50 polr 1 0\n51 polr 1 0 from 10.0.0.3 to 239.192.77.71",
		good:    open + "30 poll 1 0 path 10.0.0.7\n50 polr 1 0 to 10.0.0.7",
		clauses: []string{"14.5-07"},
	},
	"polr-node": {
		bad:     polled + "200 poll 2 0 mask 0x30 rand 0x20\n210 polr 2 0",
		good:    polled + "200 poll 2 0 mask 0x30 rand 0x110\n210 polr 2 0\n211 polr 2 0 from 10.0.0.3",
		clauses: []string{"14.5-02"},
	},
	"polr-subtype":   {bad: open + "30 poll 1 0 subtype 7\n50 polr 1 0", good: open + "30 poll 1 0 subtype 1\n50 polr 1 0", clauses: []string{"14.3.2-03"}},
	"polr-cancelled": {bad: polled + "200 poll 2 0\n300 polr 1 1", good: polled + "200 poll 2 0\n300 polr 1 1 from 10.0.0.3\n301 polr 2 0", clauses: []string{"14.3.1-06", "14.5-06"}, c: Config{At: readerAddr}},
	"polr-round":     {bad: open + "30 poll 1 1\n50 polr 1 1", good: polled, clauses: []string{"14.5-04"}, c: Config{At: readerAddr}},
}

// The options of §15.4: OPT_NAK_BO_IVL of an interval in microseconds and a POLL_SQN, OPT_NAK_BO_RNG, OPT_NBR_UNREACH and OPT_PATH_NLA.
const (
	fiveMS      = " option 040c000000001388"
	limits      = " option 050c0000000186a0000001f4" // 100 ms and 500 us
	unreachable = " option 0b040000"
	byPath      = " option 0c0800000a000001"                                      // 10.0.0.1
	congested   = " option 1018000700000005000000000000000000010000" + "0a000002" // by 10.0.0.2
)

// holes is a session of which a receiver misses packets.
const holes story = "0 spm 0 1..0\n1 odata 1\n2 odata 4\n5 nak 2\n"

var backOffTrials = map[string]trial{
	"option-place/backoff": {
		bad:     open + "30 odata 6" + fiveMS + "00000000\n31 ncf 3" + limits + "\n32 odata 7" + unreachable + "\n33 spm 2 1..7" + byPath,
		good:    open + "30 spm 2 1..5" + fiveMS + "00000000" + limits + "\n40 poll 1 0" + fiveMS + "00000001",
		clauses: []string{"15.4.1-01", "15.4.2-01", "15.4.3-01", "15.4.4-01"},
	},
	"option-size/backoff": {
		bad:     open + "30 spm 2 1..5 option 04080000000013880508000000000010\n31 nak 3\n32 ncf 3 to 10.0.0.2 option 0b080000000000000c0c00000a00000100000000\n33 spm 3 1..5",
		good:    open + "30 spm 2 1..5" + fiveMS + "00000000" + limits,
		clauses: []string{"15.4.1-01", "15.4.2-01", "15.4.3-01", "15.4.4-01"},
	},
	"option-place/congestion": {
		bad:     open + "30 odata 6 option 11040007\n31 spm 2 1..6" + congested,
		good:    open + "30 spm 2 1..5 option 11040007\n40 nak 3" + congested + "\n41 ncf 3\n42 rdata 3",
		clauses: []string{"12.7.1-01", "12.7.2-01"},
	},
	"option-size/congestion": {
		bad:     open + "30 spm 2 1..5 option 1108000700000000\n40 nak 3 option 1008000700000005\n41 ncf 3\n42 rdata 3",
		good:    open + "30 spm 2 1..5 option 11040007\n40 nak 3" + congested + "\n41 ncf 3\n42 rdata 3",
		clauses: []string{"12.7.1-01", "12.7.2-01"},
	},
	"backoff-poll": {
		bad:     polled + "200 spm 2 1..5" + fiveMS + "00000002",
		good:    polled + "200 spm 2 1..5" + fiveMS + "00000001\n210 spm 3 1..5" + fiveMS + "00000000",
		clauses: []string{"14.4-12"},
	},
	"backoff-range": {
		bad:     open + "30 spm 2 1..5" + limits + "\n40 nak 3\n41 ncf 3 option 040c0000000f424000000000\n42 rdata 3",
		good:    open + "30 spm 2 1..5" + limits + "\n40 nak 3\n41 ncf 3" + fiveMS + "00000000\n42 rdata 3",
		clauses: []string{"15.2.1-02"},
	},
	"unreachable-path": {
		bad:     open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + "\n32 spm 2 1..5",
		good:    open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + byPath + "\n32 spm 2 1..5",
		clauses: []string{"15.3.2-03"},
	},
	"unreachable-copy": {
		bad:     open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + byPath + "\n32 spm 2 1..5\n33 ncf 3 from 10.0.0.2 ttl 16" + unreachable + byPath,
		good:    open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + byPath + "\n32 spm 2 1..5\n33 ncf 3 from 10.0.0.2 ttl 1" + unreachable + byPath,
		clauses: []string{"15.3.2-11"},
	},
	"unreachable-spm": {
		bad:     open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + byPath + "\n32 rdata 3\n800 odata 6",
		good:    open + "30 nak 3\n31 ncf 3 to 10.0.0.2" + unreachable + byPath + "\n32 rdata 3\n33 spm 2 1..5\n800 odata 6",
		clauses: []string{"15.3.2-01"},
	},
	"unreachable-nak": {
		bad:     holes + "6 ncf 2 to 10.0.0.2" + unreachable + byPath + "\n200 nak 3\n201 ncf 3\n202 rdata 3\n203 spm 1 1..4",
		good:    holes + "6 ncf 2 to 10.0.0.2" + unreachable + byPath + "\n190 spm 1 1..4\n200 nak 3\n201 ncf 3\n202 rdata 3",
		clauses: []string{"15.3.2-10"}, c: Config{At: readerAddr},
	},
}
