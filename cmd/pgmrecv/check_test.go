package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// kept reads a capture that the judge is tested with.
func kept(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../conformance/testdata/" + name + ".pcapng")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is binding and broken, in the word MUST or by what a format is, makes an exit status; what is less is told; what was broken, by which packet and what is demanded is on standard output.
func TestCheckTellsWhatIsBroken(t *testing.T) {
	for _, x := range []struct {
		capture string
		status  int
		says    []string
	}{
		{"window-size/bad", 1, []string{"[3.3-02] MUST: broken once, first by packet", "packet 11, 010203040506.1000: [3.3-02] MUST: "}},
		{"window-size/good", 0, []string{"no finding"}},
		{"rst-kept/bad", 0, []string{"[9.8.2-01] SHOULD: broken"}},
		{"checksum/bad", 1, []string{"[8-10] RULE: broken"}},
	} {
		o := project(t, kept(t, x.capture), "--check")
		if o.status != x.status || o.errs != "" {
			t.Errorf("%s: exit %d, want %d\n%s", x.capture, o.status, x.status, o.errs)
		}
		for _, text := range x.says {
			if !strings.Contains(o.out, text) {
				t.Errorf("%s: the verdict lacks %q:\n%s", x.capture, text, o.out)
			}
		}
	}
}

// The verdict for machines is one line, an object with an event like all others.
func TestCheckForMachines(t *testing.T) {
	o := project(t, kept(t, "window-size/bad"), "--check", "--json")
	var v struct {
		Event    string
		Packets  int
		Findings []struct {
			Clause, Level, Seen, Demanded, TSI string
			Packet                             int
		}
		Sessions []struct{ TSI, Source, Group string }
	}
	if err := json.Unmarshal([]byte(o.out), &v); err != nil || strings.Count(o.out, "\n") != 1 || o.status != 1 {
		t.Fatalf("exit %d, %v: %s", o.status, err, o.out)
	}
	if f := v.Findings; v.Event != "verdict" || v.Packets == 0 || len(v.Sessions) != 1 || len(f) != 1 || f[0].Clause != "3.3-02" ||
		f[0].Level != "MUST" || f[0].Packet == 0 || f[0].Seen == "" || f[0].Demanded == "" {
		t.Errorf("%+v", v)
	}
}

// A capture that is judged and delivered at once has its data alone on standard output, and the worse of both as exit status.
func TestCheckBesideDelivery(t *testing.T) {
	o := project(t, whole(t).develop(), "--check", "--stdout")
	o.expect(t, 0, "one\ntwo\nthree\n", "5 PGM packets", "no finding")
	project(t, whole(t).develop(), "--check", "--lines", "--json").expect(t, 0, "one\n\ntwo\n\nthree\n\n", `{"event":"verdict","packets":5`)
	o = project(t, kept(t, "window-size/bad"), "--check", "--stdout")
	if o.status != 1 || strings.Contains(o.out, "MUST") || !strings.Contains(o.errs, "MUST") {
		t.Errorf("exit %d, %q, %s", o.status, o.out, o.errs)
	}
	f := newFilm(t)
	f.spm(1, 0, 0)
	f.data(1, "one\n")
	f.data(3, "three\n")
	f.spm(1, 3, packet.OptFin)
	project(t, f.develop(), "--check", "--stdout").expect(t, 3, "one\n", "no finding")
	o = project(t, whole(t).develop(), "--check", "--dir", t.TempDir(), "--json")
	if !strings.Contains(o.out, `{"event":"verdict","packets":5`) {
		t.Errorf("exit %d: %s%s", o.status, o.out, o.errs)
	}
}

// A capture that begins in mid-session is judged from there, and the verdict says so.
func TestCheckOfAPart(t *testing.T) {
	f := newFilm(t)
	f.data(8, "eight\n")
	f.spm(1, 8, 0)
	o := project(t, f.develop(), "--check")
	if o.status != 0 || !strings.Contains(o.out, "begins in mid-session: judged from there on") {
		t.Errorf("exit %d: %s", o.status, o.out)
	}
}
