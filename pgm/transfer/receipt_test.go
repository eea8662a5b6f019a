package transfer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func sampleStatement() statement {
	return statement{
		Session: SessionID{1, 15: 2}, Receiver: 0x1122334455667788, Sequence: 7, Finished: true, Objects: 3, Failed: 2, Bytes: 1 << 40,
		Written: 1<<40 + 5, Lost: 9, Repaired: 8, Elapsed: 1234 * time.Millisecond, Name: "höst",
		Problems: []receiptProblem{{4, "no space left"}, {0xffff_ffff, ""}},
	}
}

func TestReceiptRoundTrip(t *testing.T) {
	want := sampleStatement()
	got, kind, err := parseReceipt(want.append(nil))
	if err != nil || kind != kindStatement {
		t.Fatal(kind, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got, kind, err = parseReceipt(appendAcknowledge(nil, &want))
	if err != nil || kind != kindAcknowledge || got.Session != want.Session || got.Receiver != want.Receiver || got.Sequence != want.Sequence {
		t.Errorf("acknowledgement: %+v, %v", got, err)
	}
}

func TestEveryPrefixOfAReceiptIsRefused(t *testing.T) {
	s := sampleStatement()
	b := s.append(nil)
	for n := range b {
		if _, _, err := parseReceipt(b[:n]); !errors.Is(err, errReceipt) {
			t.Fatalf("%d of %d octets: %v", n, len(b), err)
		}
	}
	if _, _, err := parseReceipt(append(b, 0)); err == nil {
		t.Error("an octet left over passes")
	}
}

// However much there is to tell, a receipt fits into a packet, and what it says is fit for a terminal.
func TestReceiptIsBoundedAndClean(t *testing.T) {
	s := sampleStatement()
	s.Name = strings.Repeat("ä\x1b[2J", 200)
	for i := range 1000 {
		s.Problems = append(s.Problems, receiptProblem{uint32(i), strings.Repeat("\xff\n", i%300)})
	}
	b := s.append(nil)
	if len(b) > maxReceipt {
		t.Errorf("%d octets", len(b))
	}
	got, _, err := parseReceipt(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Problems) < 5 || strings.ContainsAny(got.Name+got.Problems[3].Reason, "\x1b\n") || !utf8.ValidString(got.Problems[3].Reason) {
		t.Errorf("%+v", got)
	}
	b[receiptFixed+3] = 0x1b
	if _, _, err := parseReceipt(b); err == nil {
		t.Error("a name with a control character passes")
	}
}

func FuzzReceipt(f *testing.F) {
	s := sampleStatement()
	f.Add(s.append(nil))
	f.Add(appendAcknowledge(nil, &s))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, kind, err := parseReceipt(b)
		if err != nil || kind == kindAcknowledge {
			return
		}
		again, _, err := parseReceipt(s.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, again); d != "" {
			t.Fatal(d)
		}
	})
}

// A statement is repeated with back-off until it is acknowledged, and not for ever.
func TestStatementIsRepeatedUntilAcknowledged(t *testing.T) {
	now := time.Unix(1000, 0)
	var r reporter
	r.init()
	if r.poll(now) {
		t.Error("nothing is known, and stated")
	}
	r.news(now, begunDelay)
	r.finished = true
	var at []time.Duration
	for d := time.Duration(0); d < time.Minute; d += 10 * time.Millisecond {
		if r.poll(now.Add(d)) {
			at = append(at, d)
		}
	}
	if len(at) != reportTries || !r.rest() {
		t.Errorf("stated %d times: %v", len(at), at)
	}
	for i := range at[1:] {
		if gap := at[i+1] - at[i]; gap < min(reportFirst<<i, reportMost) || gap > reportMost*3/2 {
			t.Errorf("repeat %d after %v", i+1, gap)
		}
	}
	now = now.Add(time.Hour)
	r.news(now, heldDelay)
	if now = now.Add(heldDelay); !r.poll(now) || r.rest() {
		t.Error("news is not stated")
	}
	r.acknowledged(r.seq - 1)
	if r.rest() {
		t.Error("an old acknowledgement counts")
	}
	r.acknowledged(r.seq)
	if !r.rest() || r.poll(now.Add(time.Hour)) {
		t.Error("an acknowledged statement is repeated")
	}
}

// Much news makes few statements; none makes one now and then.
func TestStatementsAreSpread(t *testing.T) {
	now := time.Unix(1000, 0)
	var r reporter
	r.init()
	n := 0
	for d := time.Duration(0); d < 10*time.Second; d += time.Millisecond {
		r.news(now.Add(d), heldDelay)
		if r.poll(now.Add(d)) {
			n++
			r.acknowledged(r.seq)
		}
	}
	if n < 30 || n > 41 {
		t.Errorf("%d statements in 10 s of news", n)
	}
	n = 0
	for d := 10 * time.Second; d < 30*time.Second; d += time.Millisecond {
		if r.poll(now.Add(d)) {
			n++
			r.acknowledged(r.seq)
		}
	}
	if n < 8 || n > 11 {
		t.Errorf("%d statements in 20 s without news", n)
	}
}

func testLedger(expect int, names ...string) *ledger {
	return newLedger(&plan{session: SessionID{1, 15: 2}, objects: []Object{{Name: "a"}, {Name: "b"}}}, expect, names)
}

func (l *ledger) tell(now time.Time, id uint64, seq uint32, name string, finished bool, failed uint32) (ack []byte, news *ReceiverSummary) {
	s := statement{Session: SessionID{1, 15: 2}, Receiver: id, Sequence: seq, Name: name, Finished: finished, Failed: failed, Objects: 2 - failed}
	if failed > 0 {
		s.Problems = []receiptProblem{{1, "disk full"}}
	}
	return l.take(now, netip.MustParseAddrPort("192.0.2.1:7500"), s.append(nil))
}

func TestLedgerKnowsWhoIsMissing(t *testing.T) {
	now := time.Unix(1000, 0)
	l := testLedger(3, "carol")
	missing := func(end bool, want string) {
		t.Helper()
		if got := strings.Join(l.missing(end), ", "); got != want {
			t.Errorf("missing %q, want %q", got, want)
		}
	}
	missing(false, "carol, 2 more")
	l.tell(now, 1, 1, "alice", false, 0)
	l.tell(now, 2, 1, "bob", false, 0)
	missing(false, "carol")
	l.tell(now, 3, 1, "carol", false, 0)
	missing(false, "")
	missing(true, "carol, 2 more")
	l.tell(now, 3, 2, "carol", true, 0)
	l.tell(now, 1, 2, "alice", true, 0)
	missing(true, "1 more")
	l.tell(now, 2, 2, "bob", true, 1) // finished, without all of it
	missing(true, "1 more")
	if !l.failed() || l.waiting(now, time.Second) {
		t.Error("the failure is not seen, or someone still waited for")
	}
	all := l.summaries()
	if len(all) != 3 || all[1].Name != "bob" || all[1].Problems[0].Name != "b" || all[1].Problems[0].Err.Error() != "disk full" {
		t.Errorf("%+v", all)
	}
}

func TestLedgerAcknowledgesEachStatementAndTellsNewsOnce(t *testing.T) {
	now := time.Unix(1000, 0)
	l := testLedger(0)
	ack, news := l.tell(now, 1, 5, "a", false, 0)
	if s, kind, err := parseReceipt(ack); err != nil || kind != kindAcknowledge || s.Sequence != 5 || s.Receiver != 1 || news == nil {
		t.Errorf("%+v, %v, %v", s, err, news)
	}
	if ack, news = l.tell(now, 1, 5, "a", false, 0); ack == nil || news != nil {
		t.Error("a repeat is not acknowledged, or news")
	}
	if _, news = l.tell(now, 1, 6, "a", true, 0); news == nil || !news.Finished {
		t.Error("the end is no news")
	}
	if _, news = l.tell(now, 1, 4, "a", false, 0); news != nil || !l.summaries()[0].Finished {
		t.Error("an old statement undoes a newer one")
	}
	s := statement{Session: SessionID{9}, Receiver: 3, Name: "x"}
	if ack, _ := l.take(now, netip.AddrPort{}, s.append(nil)); ack != nil {
		t.Error("a statement of another session is acknowledged")
	}
	if !l.waiting(now, 0) == false {
		t.Error("one that has finished is waited for")
	}
	l.tell(now, 2, 1, "b", false, 0)
	if !l.waiting(now.Add(time.Second), 2*time.Second) || l.waiting(now.Add(3*time.Second), 2*time.Second) {
		t.Error("the patience does not end when it should")
	}
}

// Who is started again takes the place of what it was: when that has said that it ends, at once; when it was killed, once its silence shows it. Who
// goes on beside it, or has everything, keeps its place.
func TestReceiverThatIsStartedAgainTakesItsPlace(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	l := testLedger(0)
	left := func(d time.Duration, want int) {
		t.Helper()
		l.waiting(at(d), time.Hour)
		if n, _ := l.count(); n != want {
			t.Errorf("after %v there are %d, want %d", d, n, want)
		}
	}
	l.tell(now, 1, 1, "told to stop", false, 0)
	l.tell(now, 1, 2, "told to stop", true, 2)
	l.tell(now, 2, 1, "killed", false, 0)
	l.tell(now, 3, 1, "lives", false, 0)
	l.tell(now, 4, 1, "whole", true, 0)
	left(0, 4)
	for i, name := range []string{"told to stop", "killed", "lives", "whole", "another"} {
		l.tell(at(time.Second), uint64(10+i), 1, name, true, 0)
	}
	l.tell(at(2*time.Second), 3, 2, "lives", false, 0)
	left(2*time.Second, 8)
	if l.failed() {
		t.Error("what one has failed to get that was started again counts")
	}
	left(time.Minute, 7)
	for _, r := range l.summaries() {
		if !r.Finished && r.Name != "lives" {
			t.Errorf("%s is there yet", r.Name)
		}
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := testLedger(0)
	for i := range uint64(maxReceivers + 10) {
		l.tell(time.Unix(1, 0), i, 1, fmt.Sprint(i), false, 0)
	}
	if n, _ := l.count(); n != maxReceivers {
		t.Errorf("%d receivers are kept", n)
	}
}
