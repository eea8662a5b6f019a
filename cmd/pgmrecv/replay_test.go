package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// film is a capture that a test makes.
type film struct {
	t    testing.TB
	b    bytes.Buffer
	w    *pcap.Writer
	now  time.Time
	tsi  packet.TSI
	dst  netip.AddrPort
	spms packet.SQN
}

var filmSource = netip.MustParseAddrPort("192.0.2.1:7500")

func newFilm(t testing.TB) *film {
	f := &film{
		t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), dst: netip.MustParseAddrPort("239.192.77.71:7500"),
		tsi: packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000},
	}
	var err error
	if f.w, err = pcap.NewWriter(&f.b); err != nil {
		t.Fatal(err)
	}
	return f
}

// frame adds a packet, a millisecond after the one before.
func (f *film) frame(p []byte) {
	f.t.Helper()
	f.now = f.now.Add(time.Millisecond)
	if err := f.w.Write(pcap.Packet{Time: f.now, Src: filmSource, Dst: f.dst, UDP: true, TTL: 16, Data: p}); err != nil {
		f.t.Fatal(err)
	}
}

// spm adds an SPM, with an option if it is not 0.
func (f *film) spm(trail, lead packet.SQN, option packet.OptionType) {
	f.spms++
	p := spm.Packet{SQN: f.spms, Trail: trail, Lead: lead, Path: filmSource.Addr()}
	b := p.Append(packet.Downstream(packet.TypeSPM, f.tsi, f.dst.Port()).Append(nil))
	if option != 0 {
		at := len(b)
		b = packet.EndOptions(packet.AppendOption(packet.BeginOptions(b), option, 0), at)
	}
	packet.Seal(b)
	f.frame(b)
}

// joinable adds an SPM whose OPT_JOIN offers the packets from join on.
func (f *film) joinable(lead, join packet.SQN) {
	f.spms++
	b := spm.Packet{SQN: f.spms, Trail: join, Lead: lead, Path: filmSource.Addr()}.Append(packet.Downstream(packet.TypeSPM, f.tsi, f.dst.Port()).Append(nil))
	at := len(b)
	b = packet.EndOptions(packet.AppendJoin(packet.BeginOptions(b), join), at)
	packet.Seal(b)
	f.frame(b)
}

// data adds data packets.
func (f *film) data(first packet.SQN, tsdus ...string) {
	for i, tsdu := range tsdus {
		f.tsdu(packet.TypeODATA, first+packet.SQN(i), tsdu)
	}
}

// repair adds RDATA.
func (f *film) repair(n packet.SQN, tsdu string) { f.tsdu(packet.TypeRDATA, n, tsdu) }

func (f *film) tsdu(t packet.Type, n packet.SQN, tsdu string) {
	h := packet.Downstream(t, f.tsi, f.dst.Port())
	h.TSDULength = uint16(len(tsdu))
	b := packet.Data{SQN: n, Trail: 1, TSDU: []byte(tsdu)}.Append(h.Append(nil))
	packet.Seal(b)
	f.frame(b)
}

// develop returns the capture.
func (f *film) develop() []byte {
	if err := f.w.Flush(); err != nil {
		f.t.Fatal(err)
	}
	return f.b.Bytes()
}

// outcome is what the program did with a capture.
type outcome struct {
	status    int
	out, errs string
}

// project runs the program on a capture, which it gets as a file.
func project(t *testing.T, capture []byte, args ...string) outcome {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(path, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	status := run(context.Background(), append([]string{"-r", path}, args...), nil, &out, &errs)
	return outcome{status, out.String(), strings.ReplaceAll(errs.String(), path, "CAPTURE")}
}

// expect compares an outcome; what is to be said is part of the messages.
func (o outcome) expect(t *testing.T, status int, out string, says ...string) {
	t.Helper()
	if o.status != status || o.out != out {
		t.Errorf("exit %d, standard output %q; want %d, %q; messages:\n%s", o.status, o.out, status, out, o.errs)
	}
	for _, text := range says {
		if !strings.Contains(o.errs, text) {
			t.Errorf("the messages lack %q:\n%s", text, o.errs)
		}
	}
}

// whole is a session of three packets from its beginning to its end.
func whole(t testing.TB) *film {
	f := newFilm(t)
	f.spm(1, 0, 0)
	f.data(1, "one\n", "two\n", "three\n")
	f.spm(1, 3, packet.OptFin)
	return f
}

func TestReplayDelivers(t *testing.T) {
	capture := whole(t).develop()
	project(t, capture, "--stdout").expect(t, 0, "one\ntwo\nthree\n")
	project(t, capture, "--lines").expect(t, 0, "one\n\ntwo\n\nthree\n\n")
	var out, errs bytes.Buffer
	if status := run(context.Background(), []string{"-r", "-", "--stdout"}, bytes.NewReader(capture), &out, &errs); status != 0 || out.String() != "one\ntwo\nthree\n" {
		t.Errorf("from standard input: exit %d, %q; %s", status, &out, &errs)
	}
}

// What the capture lacks is lost: a stream breaks there, messages go on behind it.
func TestReplayTellsLosses(t *testing.T) {
	f := newFilm(t)
	f.spm(1, 0, 0)
	f.data(1, "one\n")
	f.data(3, "three\n")
	f.spm(1, 3, packet.OptFin)
	project(t, f.develop(), "--stdout").expect(t, console.ExitLost, "one\n", "data lost beyond repair: packet 2")
	project(t, f.develop(), "--lines").expect(t, console.ExitLost, "one\n\nthree\n\n", "data lost beyond repair: packet 2")
}

// What was lost at first and is in the capture as a repair is not lost.
func TestReplayTakesRepairs(t *testing.T) {
	f := newFilm(t)
	f.spm(1, 0, 0)
	f.data(1, "one\n")
	f.data(3, "three\n")
	f.now = f.now.Add(20 * time.Second) // longer than a receiver would ask for it
	f.data(2, "two\n")
	f.spm(1, 3, packet.OptFin)
	project(t, f.develop(), "--stdout").expect(t, 0, "one\ntwo\nthree\n")
}

func TestReplayTellsResets(t *testing.T) {
	f := newFilm(t)
	f.spm(1, 0, 0)
	f.data(1, "one\n")
	f.spm(1, 1, packet.OptRst)
	project(t, f.develop(), "--stdout").expect(t, console.ExitReset, "one\n", "session reset by the source")
	project(t, f.develop(), "--lines").expect(t, console.ExitReset, "one\n\n", "session reset by the source")
}

// A capture that ends before the session does, or begins behind its beginning, gives what it has.
func TestReplayOfAPart(t *testing.T) {
	f := newFilm(t)
	f.data(8, "eight\n")
	f.spm(1, 8, 0)
	f.data(9, "nine\n")
	project(t, f.develop(), "--stdout").expect(t, 0, "eight\nnine\n", "the capture ends before the session does")
	project(t, f.develop(), "--lines").expect(t, 0, "eight\n\nnine\n\n")
	f.now = f.now.Add(time.Minute)
	f.data(10, "ten\n")
	const silent = "the source fell silent"
	project(t, f.develop(), "--stdout").expect(t, 0, "eight\nnine\nten\n", silent)
	if o := project(t, f.develop(), "--stdout", "--timeout", "2m"); o.out != "eight\nnine\nten\n" || strings.Contains(o.errs, silent) {
		t.Errorf("%+v", o)
	}
}

// What a source offers to those who join late, and only they could ask for, does not break the stream of a capture that begins in
// mid-session. Of one that has the beginning, the same is a loss.
func TestReplayBeginsWhereTheCaptureDoes(t *testing.T) {
	part := func(f *film) {
		f.joinable(9, 1)
		f.repair(5, "five\n")
		f.data(10, "ten\n", "eleven\n")
		f.spm(1, 11, packet.OptFin)
	}
	f := newFilm(t)
	part(f)
	project(t, f.develop(), "--stdout").expect(t, 0, "ten\neleven\n", "begins in mid-session", "it lacks 1 to 9")
	f = newFilm(t)
	f.spm(1, 0, 0)
	part(f)
	project(t, f.develop(), "--stdout").expect(t, console.ExitLost, "", "packets 1 to 4")
	f = newFilm(t) // who joined late, and was given what it asked for
	f.joinable(2, 1)
	f.repair(1, "one\n")
	f.repair(2, "two\n")
	f.data(4, "four\n")
	f.spm(1, 4, packet.OptFin)
	project(t, f.develop(), "--stdout").expect(t, console.ExitLost, "one\ntwo\n", "packet 3")
}

// Of several sources, standard output takes one stream after the other; messages are taken of all; -e chooses.
func TestReplayOfSeveralSources(t *testing.T) {
	f := newFilm(t)
	other := netip.MustParseAddrPort("239.192.77.72:7501")
	f.spm(1, 0, 0)
	f.data(1, "a")
	first, dst, spms := f.tsi, f.dst, f.spms
	f.tsi, f.dst, f.spms = packet.TSI{GSI: first.GSI, Port: 2000}, other, 0
	f.spm(1, 0, 0)
	f.data(1, "b")
	f.spm(1, 1, packet.OptFin)
	f.tsi, f.dst, f.spms = first, dst, spms
	f.spm(1, 1, packet.OptFin)
	f.tsi, f.spms = packet.TSI{GSI: first.GSI, Port: 3000}, 0
	f.spm(1, 0, 0)
	f.data(1, "c")
	f.spm(1, 1, packet.OptFin)
	capture := f.develop()
	project(t, capture, "--stdout").expect(t, 0, "ac", "010203040506.2000@192.0.2.1:7500 sends too, and is not written")
	project(t, capture, "--lines").expect(t, 0, "a\nb\nc\n")
	project(t, capture, "--stdout", "-e", "239.192.77.72:7501").expect(t, 0, "b")
	project(t, capture, "--stdout", "-e", "239.192.77.72,192.0.2.1:7501").expect(t, 0, "b")
	project(t, capture, "--stdout", "-e", "239.192.77.72,192.0.2.9:7501").expect(t, 1, "", "no session to 239.192.77.72:7501 from 192.0.2.9")
	project(t, capture, "--stdout", "-e", "239.1.1.1").expect(t, 1, "", "no session to 239.1.1.1:7500; there are some to 239.192.77.71:7500, 239.192.77.72:7501")
	if o := project(t, capture, "--check", "-e", "239.192.77.72:7501"); o.status != 0 || strings.Count(o.out, "session ") != 1 {
		t.Errorf("exit %d: %s%s", o.status, o.out, o.errs)
	}
}

// What cannot be read to its end gives what could be read, and says where reading stopped.
func TestReplayOfDamagedCaptures(t *testing.T) {
	good := whole(t).develop()
	wild := bytes.Clone(good)
	binary.LittleEndian.PutUint32(wild[len(wild)-60:], 0xffff_fff0) // in the middle of the last frame: its block ends elsewhere
	copy(wild[len(good)-4:], "\xff\xff\xff\x7f")
	foreign := newFilm(t)
	foreign.frame([]byte("this is none of ours, and never was"))
	foreign.frame([]byte("nor is this"))
	header := newFilm(t).develop()
	for _, x := range []struct {
		name    string
		capture []byte
		out     string // with --stdout
		says    string
	}{
		{"truncated", good[:len(good)-10], "one\ntwo\nthree\n", "CAPTURE: reading stopped behind packet 4, at offset 440: the capture ends in the middle of a record"},
		{"corrupt", wild, "one\ntwo\nthree\n", "reading stopped behind packet 4"},
		{"empty", nil, "", "CAPTURE: the capture is empty"},
		{"without packets", header, "", "CAPTURE: there is no packet in it"},
		{"foreign file", []byte("#!/bin/sh\necho\n"), "", "CAPTURE: neither a pcap nor a pcapng file"},
		{"foreign packets", foreign.develop(), "", "CAPTURE: there is no PGM among its 2 packets: 2 of UDP"},
	} {
		t.Run(x.name, func(t *testing.T) {
			project(t, x.capture, "--stdout").expect(t, 1, x.out, x.says)
			project(t, x.capture, "--dir", t.TempDir()).expect(t, 1, "", x.says)
			if o := project(t, x.capture, "--check"); o.status != 1 || !strings.Contains(o.errs, x.says) || !strings.Contains(o.out, "PGM packets") {
				t.Errorf("--check: exit %d\n%s%s", o.status, o.out, o.errs)
			}
			o := project(t, x.capture, "--check", "--json")
			var v struct {
				Event   string
				Packets int
				Stopped string
			}
			lines := strings.Split(strings.TrimSpace(o.out), "\n")
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil || o.status != 1 || v.Event != "verdict" || (v.Packets > 0) != (x.out != "") {
				t.Errorf("--check --json: exit %d, %v\n%s", o.status, err, o.out)
			}
			if stops := !strings.Contains(x.says, "there is no"); stops != (v.Stopped != "") {
				t.Errorf("the verdict says that reading stopped: %q", v.Stopped)
			}
		})
	}
	var out, errs bytes.Buffer
	if status := run(context.Background(), []string{"-r", "/does/not/exist"}, nil, &out, &errs); status != 1 || !strings.Contains(errs.String(), "/does/not/exist") {
		t.Errorf("exit %d: %s", status, &errs)
	}
}

// A hostile capture costs bounded memory and time, and what is not delivered or judged is said.
func TestReplayOfAFloodOfSessions(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		out, err := pcap.NewWriter(w)
		if err != nil {
			t.Error(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		p := pcap.Packet{Time: time.Unix(1, 0), Src: filmSource, UDP: true, TTL: 16}
		for i := range uint32(200_000) {
			h := packet.Downstream(packet.TypeODATA, packet.TSI{GSI: packet.GSI{0, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, Port: 1}, 7500)
			n := packet.SQN(rng.Uint32())
			p.Data = packet.Data{SQN: n, Trail: n - packet.SQN(rng.Uint32()>>2)}.Append(h.Append(p.Data[:0]))
			packet.Seal(p.Data)
			p.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 0, byte(i >> 8), byte(i)}), 7500)
			out.Write(p)
		}
		w.CloseWithError(out.Flush())
	}()
	var out, errs bytes.Buffer
	status := run(context.Background(), []string{"-r", "-", "--lines", "--check"}, r, &out, &errs)
	if status != 1 || !strings.Contains(errs.String(), "more at once than can be delivered") || !strings.Contains(errs.String(), "not judged: packets of sessions beyond") {
		text := errs.String()
		t.Errorf("exit %d; %s", status, text[max(0, len(text)-2000):])
	}
	if n := strings.Count(errs.String(), "\n"); n > 300 {
		t.Errorf("%d lines of messages", n)
	}
}
