package fec

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// rig is a session with groups of four, of which the group 8..11 is looked at.
type rig struct {
	*testing.T
	g   *Groups
	r   receiver
	d   *Decoder
	all []Original
}

// newRig is a group of which the packets in has are there.
func newRig(t *testing.T, c GroupsConfig, all []Original, has ...int) *rig {
	b := &rig{T: t, r: receiver{tg: 8, have: all, has: make([]bool, 4)}, d: NewDecoder(4), all: all}
	for _, i := range has {
		b.r.has[i] = true
	}
	c.Size, c.Has = 4, b.r.Has
	b.g = NewGroups(c)
	return b
}

// parity returns parity packet j of a group of these.
func (b *rig) parity(j int, all ...Original) *Parity {
	b.Helper()
	q, _, err := parse(4, encoded(4, packet.TypeRDATA, 8, j, all...))
	if err != nil {
		b.Fatal(err)
	}
	return &q
}

func (b *rig) want(what string, q *Parity, v Verdict, count func(*GroupsStats) *uint64) {
	b.Helper()
	before := b.g.Stats()
	*count(&before)++
	if got := b.g.Parity(q); got != v || b.g.Stats() != before {
		b.Errorf("%s: verdict %d, want %d; counted %+v, want %+v", what, got, v, b.g.Stats(), before)
	}
}

var (
	abcd  = []Original{text("a"), text("b"), text("c"), text("d")}
	words = []Original{text("aaa"), text("b"), text("cc"), text("d")}
)

// [11.5-05] Parity packets of a group are told apart by their number, and each counts once; what nobody needs is not kept.
func TestParityThatIsNotNeededIsCounted(t *testing.T) {
	b := newRig(t, GroupsConfig{}, abcd, 0, 1)
	b.want("the first", b.parity(0, abcd...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	b.want("the same again", b.parity(0, abcd...), Useless, func(s *GroupsStats) *uint64 { return &s.Duplicate })
	b.want("the same PKT_SQN with another PRM_GROUP", b.parity(4, abcd...), Decodable, func(s *GroupsStats) *uint64 { return &s.Held })
	b.want("more than are missing", b.parity(5, abcd...), Useless, func(s *GroupsStats) *uint64 { return &s.Surplus })
	if n := b.g.Need(9); n != 0 {
		t.Errorf("a group that can be decoded needs %d more", n)
	}
	j := b.g.Next()
	b.want("while it is decoded", b.parity(6, abcd...), Useless, func(s *GroupsStats) *uint64 { return &s.Surplus })
	if n := b.g.Need(9); n != 0 {
		t.Errorf("a group that is decoded needs %d more", n)
	}
	b.decode(j, nil)
	b.want("for a group that is complete", b.parity(7, abcd...), Useless, func(s *GroupsStats) *uint64 { return &s.Complete })
	b.g.Advance(12)
	b.want("for a group that has gone", b.parity(7, abcd...), Useless, func(s *GroupsStats) *uint64 { return &s.Stale })
	if b.g.Memory() != 0 {
		t.Errorf("%d octets are held", b.g.Memory())
	}
}

// decode runs j, which must end with the error want and, if that is nil, bring back what is missing.
func (b *rig) decode(j *Job, want error) {
	b.Helper()
	if j == nil {
		b.Fatal("there is no job")
	}
	if err := b.d.Decode(j, b.r.load); !errors.Is(err, want) || !errors.Is(j.Err(), want) {
		b.Errorf("%v, want %v", err, want)
	}
	for s, o := range j.Rebuilt() {
		if want := b.all[s-8]; !o.equal(want) {
			b.Errorf("packet %d is %q, want %q", s, o.TSDU, want.TSDU)
		}
		b.r.has[s-8] = true
		b.g.Have(s)
	}
	b.g.Done(j)
}

// Data that comes after parity makes the group decodable, or complete.
func TestLateDataCounts(t *testing.T) {
	b := newRig(t, GroupsConfig{}, abcd, 0)
	b.g.Parity(b.parity(3, abcd...))
	if n := b.g.Need(8); n != 2 {
		t.Errorf("three are missing and one parity packet is there: needs %d", n)
	}
	b.r.has[1] = true
	b.g.Have(9)
	if b.g.Next() != nil {
		t.Error("decoded too soon")
	}
	b.r.has[2] = true
	b.g.Have(10)
	b.g.Have(10) // twice is once
	b.decode(b.g.Next(), nil)

	b = newRig(t, GroupsConfig{}, abcd, 0, 1)
	b.g.Parity(b.parity(3, abcd...))
	b.g.Parity(b.parity(2, abcd...))
	for i := 2; i < 4; i++ {
		b.r.has[i] = true
		b.g.Have(8 + packet.SQN(i))
	}
	if j := b.g.Next(); j != nil || b.g.Open() != 0 || b.g.Memory() != 0 {
		t.Errorf("a complete group: job %v, %d open, %d octets", j, b.g.Open(), b.g.Memory())
	}
}

// What comes while the group is decoded is not lost, nor delivered in the place of anything.
func TestDataThatComesWhileItsGroupIsDecoded(t *testing.T) {
	b := newRig(t, GroupsConfig{}, abcd, 0, 1)
	b.g.Parity(b.parity(0, abcd...))
	b.g.Parity(b.parity(1, abcd...))
	j := b.g.Next()
	for i := 2; i < 4; i++ {
		b.r.has[i] = true
		b.g.Have(8 + packet.SQN(i))
	}
	if b.g.Open() != 0 {
		t.Error("the group is still open")
	}
	b.decode(j, nil)
	if b.g.Memory() != 0 || b.g.Open() != 0 {
		t.Errorf("%d octets, %d open", b.g.Memory(), b.g.Open())
	}
}

// A group whose packets were not taken begins anew.
func TestWhatWasNotTakenIsAskedForAgain(t *testing.T) {
	b := newRig(t, GroupsConfig{}, abcd, 0, 1)
	b.g.Parity(b.parity(0, abcd...))
	b.g.Parity(b.parity(1, abcd...))
	j := b.g.Next()
	if err := b.d.Decode(j, b.r.load); err != nil {
		t.Fatal(err)
	}
	b.g.Done(j) // and nothing was delivered
	if n := b.g.Need(8); n != 2 {
		t.Errorf("needs %d, want 2", n)
	}
	b.want("the same parity", b.parity(0, abcd...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
}

// Parity that does not belong together is never decoded together, and the greater number is right in the end.
func TestParityThatDisagreesIsRejected(t *testing.T) {
	b := newRig(t, GroupsConfig{}, words, 0, 1)
	b.want("of another length", b.parity(0, abcd...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	b.want("the right one", b.parity(1, words...), Rejected, func(s *GroupsStats) *uint64 { return &s.Disagree })
	before := b.g.Stats()
	if v := b.g.Parity(b.parity(0, words...)); v != Kept || b.g.Stats().Disagree != before.Disagree+1 || b.g.Stats().Held != before.Held+1 {
		t.Errorf("the second right one: %d, %+v", v, b.g.Stats())
	}
	b.want("the third", b.parity(3, words...), Decodable, func(s *GroupsStats) *uint64 { return &s.Held })
	b.decode(b.g.Next(), nil)

	b = newRig(t, GroupsConfig{}, words, 0, 1)
	b.want("the right one", b.parity(1, words...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	b.want("of several lengths, and longer", b.parity(0, text("aaaa"), text("b"), text("cc"), text("d")), Rejected, func(s *GroupsStats) *uint64 { return &s.Disagree })
	b = newRig(t, GroupsConfig{}, words, 0, 1)
	b.want("the right one", b.parity(1, words...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	fragment := Original{TSDU: []byte("b"), Fragment: packet.Fragment{First: 9, Length: 9}}
	b.want("with an encoded option", b.parity(0, text("aaa"), fragment, text("cc"), text("d")), Rejected, func(s *GroupsStats) *uint64 { return &s.Disagree })
}

// Lengths and options of data packets that those of the parity cannot be made of; a parity packet that says what its source did not send.
func TestWhatDisagreesWithTheDataIsNotDecoded(t *testing.T) {
	fragment := Original{TSDU: []byte("a"), Fragment: packet.Fragment{First: 8, Length: 9}}
	for _, row := range []struct {
		name   string
		data   []Original // what the receiver has
		parity []Original // what the parity is of
		want   error
	}{
		{"data longer than parity", words, abcd, ErrDisagree},
		{"data shorter than parity of one length", abcd, []Original{text("aa"), text("bb"), text("cc"), text("dd")}, ErrDisagree},
		{"data longer than parity of several", []Original{text("aaaa"), text("b"), text("c"), text("d")}, words, ErrDisagree},
		{"a fragment that parity does not know", []Original{fragment, text("b"), text("c"), text("d")}, abcd, ErrDisagree},
		{"a fragment that parity of several lengths does not know", []Original{fragment, text("b"), text("cc"), text("d")}, words, ErrDisagree},
		{"lengths that are none", []Original{text("zzz"), text("yyy"), text("xxx"), text("www")}, words, ErrNonsense},
	} {
		b := newRig(t, GroupsConfig{}, row.data, 0, 1)
		b.g.Parity(b.parity(0, row.parity...))
		b.g.Parity(b.parity(1, row.parity...))
		b.decode(b.g.Next(), row.want)
		if s := b.g.Stats(); s.Undecodable != 1 || s.Decoded != 0 || b.g.Open() != 0 || b.g.Memory() != 0 {
			t.Errorf("%s: %+v, %d open, %d octets", row.name, s, b.g.Open(), b.g.Memory())
		}
		if n := b.g.Need(8); n != 2 {
			t.Errorf("%s: needs %d, want 2", row.name, n)
		}
	}
}

// Padding, and the place of an option that a packet has not, are zeros, or the packet is none.
func TestWhatShouldBeZerosIs(t *testing.T) {
	all := []Original{text("aaa"), text("b"), text("cc"), {TSDU: []byte("d"), Fragment: packet.Fragment{First: 11, Length: 4}}}
	for _, row := range []struct {
		what   string
		change func(*Parity)
	}{
		{"the payload of another length", func(q *Parity) { q.TSDU[1] ^= 1 }},
		{"the last octet of padding", func(q *Parity) { q.TSDU[2] ^= 1 }},
		{"the length", func(q *Parity) { q.TSDU[3] ^= 1 }},
		{"the option that is not there", func(q *Parity) { q.Fragment[encodedLen-1] ^= 1 }},
	} {
		b := newRig(t, GroupsConfig{}, all, 0, 2, 3)
		q := b.parity(0, all...)
		row.change(q)
		b.g.Parity(q)
		j := b.g.Next()
		if err := b.d.Decode(j, b.r.load); !errors.Is(err, ErrNonsense) {
			t.Errorf("%s: %v, want %v", row.what, err, ErrNonsense)
		}
		for s := range j.Rebuilt() {
			t.Errorf("%s: packet %v was rebuilt", row.what, s)
		}
	}
}

// What happens to a group while it is decoded: nothing is believed of it, and another that takes its place is another.
func TestTheGroupOfARunningJob(t *testing.T) {
	b := newRig(t, GroupsConfig{}, abcd, 0, 1, 2)
	b.g.Parity(b.parity(0, abcd...))
	j := b.g.Next()
	for range 2 {
		if b.g.Learn(10, 3) {
			t.Error("the group is short, while it is decoded as a full one")
		}
	}
	b.r.has[3] = true
	b.g.Have(11) // complete
	b.r.has[3] = false
	b.r.has[2] = false // what was delivered is wanted again
	b.want("a new beginning", b.parity(1, abcd...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	if err := b.d.Decode(j, b.r.load); err != nil && !errors.Is(err, ErrLoad) {
		t.Error(err)
	}
	b.g.Done(j)
	if b.g.Open() != 1 || b.g.Need(8) != 1 {
		t.Errorf("%d groups open, needs %d", b.g.Open(), b.g.Need(8))
	}
	b.want("the second", b.parity(2, abcd...), Decodable, func(s *GroupsStats) *uint64 { return &s.Held })
	b.r.has[2], b.r.has[3] = true, true // and nobody says so
	if b.g.Next() != nil || b.g.Memory() != 0 {
		t.Errorf("a complete group is decoded; %d octets are held", b.g.Memory())
	}
}

// Encoded options that decode to nonsense: each octet of them, changed in any way, makes another option or none, and the packet is
// refused or has what the option then says; the payload is right in any case.
func TestEncodedOptionsThatAreNonsense(t *testing.T) {
	all := []Original{{TSDU: []byte("a"), Fragment: packet.Fragment{First: 8, Offset: 0, Length: 4}}, text("b"), text("c"), text("d")}
	for at := range encodedLen {
		for bit := range 8 {
			b := newRig(t, GroupsConfig{}, all, 1, 2, 3)
			q := b.parity(0, all...)
			q.Fragment[at] ^= 1 << bit
			b.g.Parity(q)
			j := b.g.Next()
			err := b.d.Decode(j, b.r.load)
			if err != nil && !errors.Is(err, ErrNonsense) {
				t.Errorf("octet %d, bit %d: %v", at, bit, err)
			}
			for _, o := range j.Rebuilt() {
				if !bytes.Equal(o.TSDU, all[0].TSDU) || o.Fragment == all[0].Fragment || o.Fragment.Length == 0 {
					t.Errorf("octet %d, bit %d: %+v", at, bit, o)
				}
			}
			if at == 0 && err == nil {
				t.Errorf("the flags of OPT_FRAGMENT, bit %d: taken", bit)
			}
			b.g.Done(j)
		}
	}
}

// Without its data packets a group cannot be decoded, and says so.
func TestDataThatIsNotToBeHad(t *testing.T) {
	for _, attach := range []bool{false, true} {
		b := newRig(t, GroupsConfig{}, abcd, 0, 1, 2)
		b.g.Parity(b.parity(0, abcd...))
		j := b.g.Next()
		gone := func(packet.SQN, []byte) (Original, bool) { return Original{}, false }
		if attach && j.Attach(gone) {
			t.Error("attached")
		}
		if err := b.d.Decode(j, gone); !errors.Is(err, ErrLoad) {
			t.Errorf("%v, want %v", err, ErrLoad)
		}
		b.g.Done(j)
		if s := b.g.Stats(); s.NotLoaded != 1 || b.g.Memory() != 0 {
			t.Errorf("%+v, %d octets", s, b.g.Memory())
		}
	}
	b := newRig(t, GroupsConfig{}, abcd, 0, 1, 2)
	b.g.Parity(b.parity(0, abcd...))
	if err := b.d.Decode(b.g.Next(), nil); !errors.Is(err, ErrLoad) {
		t.Errorf("without a way to load: %v, want %v", err, ErrLoad)
	}
}

// [11.2-11..16], [11.8.3-01]: how short a group is, is believed once, and only if it can be.
func TestSizesOfGroupsThatContradict(t *testing.T) {
	abc := abcd[:3]
	b := newRig(t, GroupsConfig{}, abcd, 0)
	learn := func(last packet.SQN, size int, news bool, contradictions uint64) {
		t.Helper()
		before := b.g.Stats().Contradict
		if got := b.g.Learn(last, size); got != news || b.g.Stats().Contradict != before+contradictions {
			t.Errorf("%d packets up to %v: %v, %d contradictions; want %v, %d", size, last, got, b.g.Stats().Contradict-before, news, contradictions)
		}
	}
	learn(9, 3, false, 1)  // the second packet is not the last of three
	learn(11, 4, false, 0) // full, as everybody thinks
	learn(10, 0, false, 1)
	learn(10, 3, true, 0)
	learn(10, 3, false, 0)
	learn(9, 2, false, 1) // it has been said otherwise
	if size, ok := b.g.Short(11); size != 3 || !ok {
		t.Errorf("the group has %d packets, %v", size, ok)
	}
	if n := b.g.Need(8); n != 3 {
		t.Errorf("two of three are missing: asks for %d, want 3 [11.5-14]", n)
	}
	b.want("a full group's parity", b.parity(0, abcd...), Rejected, func(s *GroupsStats) *uint64 { return &s.Contradict })
	b.want("another short one's", b.parity(0, abcd[:2]...), Rejected, func(s *GroupsStats) *uint64 { return &s.Contradict })
	b.want("its own", b.parity(0, abc...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	b.g.Parity(b.parity(1, abc...))
	before := b.g.Stats().Contradict
	b.g.Have(11)
	if b.g.Stats().Contradict != before+1 {
		t.Error("a packet behind the last of its group is not counted")
	}
	b.decode(b.g.Next(), nil)
	learn(10, 3, false, 0) // still known
	b.g.Advance(13)
	learn(10, 3, false, 0)
	if _, ok := b.g.Short(10); ok {
		t.Error("the size of a group that has gone is known")
	}

	b = newRig(t, GroupsConfig{}, abcd, 3)
	learn(10, 3, false, 1) // a packet behind is there
	b.want("short parity, and a packet behind is there", b.parity(0, abc...), Rejected, func(s *GroupsStats) *uint64 { return &s.Contradict })

	// A parity packet that has lost its OPT_CURR_TGSIZE does not keep the group from being known as short.
	b = newRig(t, GroupsConfig{}, abcd, 0)
	b.want("full", b.parity(0, abcd...), Kept, func(s *GroupsStats) *uint64 { return &s.Held })
	learn(10, 3, false, 1)
	learn(10, 3, true, 1)
	if b.g.Open() != 0 || b.g.Memory() != 0 {
		t.Error("the parity of a full group is still there")
	}
}

// Memory and the number of groups are bounded, whatever comes.
func TestParityIsBounded(t *testing.T) {
	g := NewGroups(GroupsConfig{Size: 4, Memory: 10 * alignment, Open: 3, Has: func(packet.SQN) bool { return false }})
	kept := 0
	for n := range 100 {
		q := Parity{Group: packet.SQN(4 * n), Index: n % 4, Size: 4, TSDU: []byte("parity")}
		if g.Parity(&q) == Kept {
			kept++
		}
		q.Index++
		if g.Parity(&q) == Kept {
			kept++
		}
		g.Learn(packet.SQN(4*n+1<<20), 1)
	}
	if g.Open() > 3 || g.Memory() > 10*alignment || kept != 6 || g.Stats().NoRoom != 100*2-6+97 {
		t.Errorf("%d kept in %d groups with %d octets; %+v", kept, g.Open(), g.Memory(), g.Stats())
	}
	g = NewGroups(GroupsConfig{Size: 128, Memory: 10 * alignment, Has: func(packet.SQN) bool { return false }})
	for j := range 100 {
		g.Parity(&Parity{Group: 0, Index: j, Size: 128, TSDU: make([]byte, 60)})
	}
	if g.Memory() != 10*alignment || g.Stats().NoRoom != 90 {
		t.Errorf("%d octets, %+v", g.Memory(), g.Stats())
	}
	g.Advance(128)
	if g.Memory() != 0 || g.Open() != 0 {
		t.Errorf("behind the trail, %d groups with %d octets", g.Open(), g.Memory())
	}
	// Groups that become decodable and then complete, with nobody to decode them, leave nothing.
	has := map[packet.SQN]bool{}
	g = NewGroups(GroupsConfig{Size: 2, Has: func(s packet.SQN) bool { return has[s] }})
	for n := range 1000 {
		s := packet.SQN(2 * n)
		has[s] = true
		g.Parity(&Parity{Group: s, Size: 2, TSDU: []byte("x")})
		has[s+1] = true
		g.Have(s + 1)
	}
	if len(g.ready) > 32 || g.Memory() != 0 || g.Next() != nil {
		t.Errorf("%d ready, %d octets", len(g.ready), g.Memory())
	}
}
