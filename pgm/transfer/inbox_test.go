package transfer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lukechampine.com/blake3"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

func sum256(b []byte) [32]byte { return blake3.Sum256(b) }

// What is sent arrives, whatever is lost, repeated and reordered, wherever on the circle of numbers the session begins.
func TestTreeArrivesWhole(t *testing.T) {
	for seed := range uint64(12) {
		src, dst := t.TempDir(), t.TempDir()
		writeTree(t, src, map[string]int{
			"tree/empty": 0, "tree/one": 1, "tree/block": 1400, "tree/block and one": 1401, "tree/a/b/c/deep": 99_999, "tree/dir/": 0,
			"tree/big": 3_000_000, "tree/64": 64 * 1400, "tree/65": 64*1400 + 1,
		})
		os.Chmod(filepath.Join(src, "tree/dir"), 0o500)
		r := newRig(t, seed, packet.SQN(seed*358_000_000-300), 1400, dst, filepath.Join(src, "tree"))
		r.loop.loss = float64(seed%4) * 0.1
		r.store.open()
		r.deliver()
		r.end(receiver.Finished)
		if r.in.err != nil || r.in.failedN != 0 {
			t.Fatalf("seed %d: %v, %v", seed, r.in.err, r.in.problems)
		}
		sameTree(t, dst, src)
		if n := len(r.seen.of(Complete)); n != r.in.count {
			t.Errorf("%d objects complete, want %d", n, r.in.count)
		}
	}
}

// A tree takes several records, each sent before the objects of the one ahead of it.
func TestTreeOfManyFilesTakesSeveralRecords(t *testing.T) {
	src, dst := memoryDir(t), memoryDir(t)
	sizes := make(map[string]int)
	for i := range 2*MaxRecordObjects + 10 {
		sizes["tree/"+strings.Repeat(string(rune('a'+i%26)), 1+i%9)+"/"+string(rune('a'+i/26%26))+string(rune('a'+i/676))+string(rune('a'+i%26))] = i % 300
	}
	writeTree(t, src, sizes)
	r := newRig(t, 5, 0xffff_fff0, 300, dst, filepath.Join(src, "tree"))
	if len(r.store.records) < 3 {
		t.Fatalf("%d records", len(r.store.records))
	}
	r.loop.loss = 0.05
	r.store.open()
	r.deliver()
	r.loop.run() // what was settled is dropped on the loop
	for _, seg := range r.in.segments {
		if len(seg.parts) > 0 {
			t.Errorf("record %d is settled, and still in memory", seg.m.Index)
		}
	}
	r.end(receiver.Finished)
	if r.in.err != nil || r.in.failedN != 0 {
		t.Fatal(r.in.err, r.in.failedN, r.in.problems)
	}
	sameTree(t, dst, src)
}

// The bits beyond permission do not travel.
func TestSetUserIDIsDropped(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 10})
	if err := os.Chmod(filepath.Join(src, "f"), 0o755|os.ModeSetuid|os.ModeSetgid|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "f"))
	r.store.open()
	r.deliver()
	if info, err := os.Stat(filepath.Join(dst, "f")); err != nil || info.Mode() != 0o755 {
		t.Error(info, err)
	}
}

func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && isOurs(d.Name()) {
			names = append(names, path)
		}
		return nil
	})
	return names
}

// A file whose digest is wrong never appears, nor does anything stay of it; the others do.
func TestWrongDigestFailsTheObjectAlone(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"t/a": 100_000, "t/b": 100_000, "t/c": 10})
	r := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "t"))
	bad := r.store.objects[2]
	if bad.Name != "t/b" {
		t.Fatal(bad.Name)
	}
	r.loop.corrupt = func(s packet.SQN, tsdu []byte) []byte {
		if s == bad.First+3 {
			tsdu[7] ^= 1
		}
		return tsdu
	}
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	if r.in.failedN != 1 || r.in.objects != 3 || !errors.Is(r.in.problems[0].Err, ErrDigest) || r.in.problems[0].Name != "t/b" {
		t.Errorf("held %d, failed %d: %v", r.in.objects, r.in.failedN, r.in.problems)
	}
	got := snapshot(t, dst)
	if _, ok := got["t/b"]; ok || len(got) != 3 {
		t.Errorf("there are %v", got)
	}
	s := r.in.summary()
	if err := s.outcome(); !errors.Is(err, ErrFailed) || !errors.Is(err, ErrDigest) {
		t.Error(err)
	}
}

// Nothing leads out of the destination: not a link that lies in it, wherever it was planted.
func TestPlantedLinksDoNotLeadOut(t *testing.T) {
	src, dst, outside := t.TempDir(), t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"t/link/x": 10, "t/y": 10, "t/z": 1000, "t/dir/": 0})
	os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o600)
	os.Mkdir(filepath.Join(dst, "t"), 0o755)
	os.Symlink(outside, filepath.Join(dst, "t/link"))
	os.Symlink(outside, filepath.Join(dst, "t/dir"))
	os.Symlink(filepath.Join(outside, "precious"), filepath.Join(dst, "t/y"))
	r := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "t"))
	i := slices.IndexFunc(r.store.objects, func(o Object) bool { return o.Name == "t/z" })
	os.Symlink(filepath.Join(outside, "precious"), filepath.Join(dst, filepath.FromSlash(partName(&r.store.objects[i]))))
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	var failed []string
	for _, p := range r.in.problems {
		failed = append(failed, p.Name)
	}
	slices.Sort(failed)
	if want := []string{"t/dir", "t/link", "t/link/x", "t/z"}; !slices.Equal(failed, want) {
		t.Errorf("failed %v, want %v: %v", failed, want, r.in.problems)
	}
	names, _ := filepath.Glob(filepath.Join(outside, "*"))
	b, _ := os.ReadFile(filepath.Join(outside, "precious"))
	if len(names) != 1 || !bytes.Equal(b, []byte("precious")) {
		t.Errorf("outside there are %v, and %q", names, b)
	}
	if info, err := os.Lstat(filepath.Join(dst, "t/y")); err != nil || !info.Mode().IsRegular() {
		t.Error("the link t/y was not replaced by the file", info, err)
	}
}

// A directory is not replaced by a file, nor a file by a directory.
func TestNamesThatAreTakenByOtherKindsFail(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"t/file": 10, "t/dir/": 0, "t/ok": 1})
	writeTree(t, dst, map[string]int{"t/file/": 0, "t/file/in it": 5, "t/dir": 7})
	r := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "t"))
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	if r.in.failedN != 2 || r.in.objects != 2 {
		t.Errorf("held %d, failed %d: %v", r.in.objects, r.in.failedN, r.in.problems)
	}
	if _, err := os.Stat(filepath.Join(dst, "t/file/in it")); err != nil {
		t.Error(err)
	}
}

// handInbox returns an inbox, and a function that delivers a record to it.
func handInbox(t *testing.T) (*rig, func(m *Manifest) bool) {
	r := &rig{t: t, seen: new(events)}
	dest, err := openDestination(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r.dest = dest
	r.loop = &fakeLoop{t: t, have: make(map[packet.SQN]bool)}
	r.in = newInbox(r.loop, r.loop.do, dest, &observer{f: r.seen.add})
	r.loop.in = r.in
	t.Cleanup(func() {
		r.loop.end(receiver.Closed, packet.Reset{})
		<-r.in.concluded
		dest.close()
	})
	return r, func(m *Manifest) bool {
		b := m.Append(nil)
		taken := true
		room := recordRoom(max(m.Block, MinBlock))
		for i := 0; i*room < len(b); i++ {
			taken = r.in.Data(receiver.Data{
				SQN: m.First + packet.SQN(i), TSDU: b[i*room : min((i+1)*room, len(b))],
				Fragment: packet.Fragment{First: m.First, Offset: uint32(i * room), Length: uint32(len(b))},
			}) && taken
		}
		r.flush()
		return taken
	}
}

func (r *rig) flush() {
	l := &fakeLease{l: r.loop}
	l.Retain()
	r.in.Flush(l)
	l.Release()
	r.in.Flush(pgm.NoLease{})
}

func (r *rig) data(s packet.SQN, tsdu []byte) bool {
	ok := r.in.Data(receiver.Data{SQN: s, TSDU: tsdu})
	r.flush()
	return ok
}

// Names that are refused leave the other objects of the record alone, and their packets are not asked for.
func TestRefusedNamesLeaveTheOthersAlone(t *testing.T) {
	r, record := handInbox(t)
	m := &Manifest{First: 10, Data: 11, Last: true, Block: 1400, Count: 5, Total: 15, Objects: []Object{
		{Name: "../evil", Size: 3}, {Name: "good", Size: 3, Mode: 0o600}, {Name: "/abs", Size: 3}, {Name: "good", Size: 3}, {Name: "a\nb", Size: 3},
	}}
	m.place()
	m.Next = 21
	if !record(m) {
		t.Fatal("the record is not taken")
	}
	for s := packet.SQN(11); s != 21; s++ {
		if want := s != 13 && s != 14; r.loop.have[s] != want {
			t.Errorf("packet %d: not wanted is %v", s, !want)
		}
	}
	sum := sum256([]byte("abc"))
	r.data(13, []byte("abc"))
	r.data(14, appendDigest(nil, 1, 3, &sum))
	<-r.in.concluded
	if r.in.objects != 1 || r.in.failedN != 4 || len(r.seen.of(Refused)) != 4 {
		t.Errorf("held %d, failed %d, refused %d", r.in.objects, r.in.failedN, len(r.seen.of(Refused)))
	}
}

// Before the record that tells what a packet is, it is refused, and what is before it is what is asked for.
func TestDataBeforeTheRecordIsRefused(t *testing.T) {
	r, record := handInbox(t)
	if r.data(12, []byte("abc")) || r.data(14, []byte("x")) || r.data(13, []byte("x")) {
		t.Error("data without a record is taken")
	}
	if !r.loop.limited || r.loop.limit != 11 {
		t.Errorf("recovery is limited to %d: %v", r.loop.limit, r.loop.limited)
	}
	m := &Manifest{First: 10, Data: 11, Last: true, Block: 1400, Count: 1, Total: 3, Objects: []Object{{Name: "f", Size: 3}}}
	m.place()
	m.Next = 13
	if !record(m) || r.loop.limited {
		t.Error("the record is not taken, or recovery still limited")
	}
	if !r.data(11, []byte("abc")) || !r.data(99, []byte("abc")) {
		t.Error("data is not taken")
	}
}

// A session whose records cannot be is given up, with nothing written.
func TestSessionWithImpossibleRecordsIsGivenUp(t *testing.T) {
	base := func() *Manifest {
		m := &Manifest{First: 10, Data: 12, Next: 11, Block: 1400, Count: 2, Total: 6, Objects: []Object{{Name: "f", Size: 3}}}
		m.place()
		return m
	}
	second := func() *Manifest {
		m := &Manifest{Index: 1, First: 11, Data: 14, Next: 16, Last: true, Block: 1400, Count: 2, Total: 6, Objects: []Object{{Name: "g", Size: 3}}}
		m.place()
		return m
	}
	for _, c := range []struct {
		name  string
		first func(m *Manifest)
		next  func(m *Manifest)
	}{
		{"block size 0", func(m *Manifest) { m.Block = 0 }, nil},
		{"objects over the record", func(m *Manifest) { m.Data = 10 }, nil},
		{"next record in the objects", func(m *Manifest) { m.Next = 12 }, nil},
		{"next record is itself", func(m *Manifest) { m.Next = 10 }, nil},
		{"begins elsewhere", func(m *Manifest) { m.Index = 1 << 30 }, nil},
		{"last, but not all objects", func(m *Manifest) { m.Last, m.Next = true, 14 }, nil},
		{"last, with a wrong end", func(m *Manifest) { m.Last, m.Count, m.Next = true, 1, 15 }, nil},
		{"another session", nil, func(m *Manifest) { m.Session[0] = 1 }},
		{"another block size", nil, func(m *Manifest) { m.Block = 1401 }},
		{"another total", nil, func(m *Manifest) { m.Total = 7 }},
		{"another number of objects", nil, func(m *Manifest) { m.Count = 3 }},
		{"more objects than said", nil, func(m *Manifest) {
			m.Objects = append(m.Objects, Object{Name: "h", Size: 3})
			m.Next = 18
			m.place()
		}},
		{"objects of the first", nil, func(m *Manifest) { m.Data = 13 }},
		{"number 0 again", nil, func(m *Manifest) { m.Index = 0 }},
		{"far too early", nil, func(m *Manifest) { m.Index = 99 }},
	} {
		r, record := handInbox(t)
		m, n := base(), second()
		if c.first != nil {
			c.first(m)
		}
		record(m)
		if c.next != nil {
			c.next(n)
			if r.in.ended {
				t.Errorf("%s: the first record is refused: %v", c.name, r.in.cause)
			}
			record(n)
		}
		if !r.in.ended {
			t.Errorf("%s: the session goes on", c.name)
			continue
		}
		if !r.data(12, []byte("abc")) || !r.data(10, []byte("abc")) {
			t.Errorf("%s: what still comes is not taken", c.name)
		}
		<-r.in.concluded
		if !errors.Is(r.in.err, ErrManifest) {
			t.Errorf("%s: %v", c.name, r.in.err)
		}
		if names := snapshot(t, r.dest.root.Name()); len(names) != 0 {
			t.Errorf("%s: there are %v", c.name, names)
		}
	}
	// Held against what is right.
	r, record := handInbox(t)
	if record(second()); !record(base()) || r.in.ended || !r.in.all {
		t.Error("two good records, in the wrong order, are not understood", r.in.cause)
	}
}

// The record that is needed next finds room, however many later ones have come before it.
func TestLateRecordFindsRoom(t *testing.T) {
	r, record := handInbox(t)
	const n = 12
	var all []*Manifest
	for i := range n {
		// Each record is one packet, with its one object, of two, behind all records.
		m := &Manifest{Index: uint32(i), First: packet.SQN(10 + i), Next: packet.SQN(11 + i), Data: packet.SQN(10 + n + 2*i), Block: 1400, Count: n,
			Total: 3 * n, Objects: []Object{{Name: string(rune('a' + i)), Size: 3}}}
		if i == n-1 {
			m.Last, m.Next = true, 10+3*n
		}
		m.place()
		all = append(all, m)
	}
	waiting := all
	for range n {
		var again []*Manifest
		for _, m := range slices.Backward(waiting) {
			if !record(m) {
				again = append(again, m)
			}
		}
		slices.Reverse(again)
		if waiting = again; len(waiting) == 0 {
			break
		}
	}
	if !r.in.all || r.in.ended {
		t.Errorf("%d records are known, %d refused: %v", len(r.in.segments), len(waiting), r.in.cause)
	}
}

// Blocks and digests that are not what they should be fail their object, not the session.
func TestBlockOfWrongLengthFailsTheObject(t *testing.T) {
	for name, f := range map[string]func(r *rig){
		"short block":            func(r *rig) { r.data(11, []byte("ab")) },
		"long block":             func(r *rig) { r.data(11, []byte("abcd")) },
		"empty block":            func(r *rig) { r.data(11, nil) },
		"no digest":              func(r *rig) { r.data(12, []byte("abc")) },
		"another's digest":       func(r *rig) { r.data(12, appendDigest(nil, 9, 3, new([32]byte))) },
		"digest of another size": func(r *rig) { r.data(12, appendDigest(nil, 0, 4, new([32]byte))) },
	} {
		r, record := handInbox(t)
		m := &Manifest{First: 10, Data: 11, Next: 13, Last: true, Block: 1400, Count: 1, Total: 3, Objects: []Object{{Name: "f", Size: 3}}}
		m.place()
		record(m)
		f(r)
		<-r.in.concluded
		if r.in.failedN != 1 || !errors.Is(r.in.problems[0].Err, ErrManifest) {
			t.Errorf("%s: %v", name, r.in.problems)
		}
		r.loop.run()
		if !r.loop.have[11] || !r.loop.have[12] {
			t.Errorf("%s: what is missing of the object is still asked for", name)
		}
	}
}

// What is lost beyond repair costs its object; what is whole stays.
func TestLossBeyondRepairCostsTheObject(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"t/a": 100_000, "t/b": 100_000, "t/c": 10})
	r := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "t"))
	b := r.store.objects[2]
	for s := b.First + 5; s != b.First+9; s++ {
		r.loop.have[s] = true // never delivered
	}
	r.store.open()
	for r.loop.round() {
	}
	r.in.Lost(b.First+5, b.First+8)
	r.deliver()
	r.end(receiver.Finished)
	if r.in.objects != 3 || r.in.failedN != 1 || !errors.Is(r.in.problems[0].Err, ErrLost) {
		t.Errorf("held %d, failed %d: %v", r.in.objects, r.in.failedN, r.in.problems)
	}
	s := r.in.summary()
	if err := s.outcome(); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
}

// The packet that ends the session is one of the batch at hand: what came with it is not lost.
func TestEndWithinABatchLosesNothing(t *testing.T) {
	r, record := handInbox(t)
	r.wholeInOneBatch(record, &Manifest{})
}

// wholeInOneBatch delivers a session of one file, and its end with it, of which all must be held.
func (r *rig) wholeInOneBatch(record func(*Manifest) bool, m *Manifest) {
	r.t.Helper()
	m.First, m.Data, m.Next, m.Last, m.Block, m.Count, m.Total, m.Objects = 10, 11, 13, true, 1400, 1, 3, []Object{{Name: "f", Size: 3}}
	m.place()
	record(m)
	sum := sum256([]byte("abc"))
	r.in.Data(receiver.Data{SQN: 12, TSDU: appendDigest(nil, 0, 3, &sum)})
	r.in.Data(receiver.Data{SQN: 11, TSDU: []byte("abc")})
	r.loop.end(receiver.Finished, packet.Reset{})
	r.flush()
	<-r.in.concluded
	if r.in.objects != 1 || r.in.err != nil {
		r.t.Errorf("held %d: %v", r.in.objects, r.in.err)
	}
}

// A session that carries no files is left when it has had its chance.
func TestSessionWithoutFilesIsLeft(t *testing.T) {
	r, _ := handInbox(t)
	now := time.Now()
	for range 15 {
		r.data(5, []byte("a line of text"))
		r.in.tick(now)
		now = now.Add(time.Second)
	}
	if !r.in.ended {
		t.Fatal("still there")
	}
	<-r.in.concluded
	if !errors.Is(r.in.err, ErrNotTransfer) {
		t.Error(r.in.err)
	}
}

// Two receivers that share a destination do not write into one file.
func TestUnfinishedFileHasOneWriter(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("files are locked on Linux only")
	}
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 100_000})
	a := newRig(t, 1, 1, 1400, dst, filepath.Join(src, "f"))
	b := newRig(t, 2, 9, 1400, dst, filepath.Join(src, "f"))
	a.loop.stop = 50
	a.store.open()
	a.deliver()
	for deadline := time.Now().Add(5 * time.Second); a.in.written.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	b.store.open()
	b.deliver()
	if b.in.failedN != 1 || !strings.Contains(b.in.problems[0].Err.Error(), "another receiver") {
		t.Errorf("%v", b.in.problems)
	}
	a.loop.stop = 0
	a.deliver()
	if a.in.objects != 1 {
		t.Error(a.in.problems)
	}
}
