package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/transfer"
)

var (
	filmPort atomic.Uint32
	filmTime = time.Unix(1_700_000_000, 0) // of all files
)

// filmFiles sends files over loopback, where nobody listens, and returns the capture of each packet that was sent for which keep returns true.
func filmFiles(t *testing.T, keep func(n int, p *pcap.Packet) bool, files map[string][]byte) []byte {
	t.Helper()
	return filmFilesWith(t, pgm.Config{MTU: 1500}, keep, files)
}

func filmFilesWith(t *testing.T, config pgm.Config, keep func(n int, p *pcap.Packet) bool, files map[string][]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, filmTime, filmTime); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	ep, err := pgm.ParseEndpoint(fmt.Sprintf("127.0.0.1;239.255.78.%d:%d", os.Getpid()%250+1, 30000+os.Getpid()%10000+int(filmPort.Add(1))))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "capture")
	c, err := console.CreateCapture(name)
	if err != nil {
		t.Fatal(err)
	}
	config.Trace = c.Trace
	if _, err := transfer.Send(t.Context(), ep, config, paths, transfer.SendOptions{Linger: -1}); err != nil {
		t.Skip("cannot send over loopback: ", err)
	}
	if _, dropped, err := c.Close(); err != nil || dropped > 0 {
		t.Fatalf("%d packets dropped, %v", dropped, err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return cutFilm(t, b, keep)
}

// cutFilm returns the packets of a capture for which keep returns true.
func cutFilm(t *testing.T, capture []byte, keep func(n int, p *pcap.Packet) bool) []byte {
	t.Helper()
	r, err := pcap.Open(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	var p pcap.Packet
	for n := 0; r.Read(&p) == nil; n++ {
		if keep == nil || keep(n, &p) {
			if err := w.Write(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// Files come out of a capture as they went in, with the same verification; one that was there under the name is replaced, even if only its
// content tells that it is another.
func TestReplayRestoresFiles(t *testing.T) {
	files := map[string][]byte{"big": noise(1_000_000), "small": []byte("small\n"), "empty": nil}
	capture := filmFiles(t, nil, files)
	dir := t.TempDir()
	err := os.WriteFile(dir+"/big", make([]byte, 1_000_000), 0o600)
	if err = errors.Join(err, os.Chtimes(dir+"/big", filmTime, filmTime)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, all of it is there already
		project(t, capture, "--dir", dir).expect(t, 0, "", "restoring 3 files", "big: complete, 976.6 KiB, digest right")
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d octets, %v; want %d", name, len(got), err, len(want))
			}
		}
	}
	o := project(t, capture, "--check", "--dir", dir)
	o.expect(t, 0, "", "no finding", "big: complete")
	if o = project(t, capture, "--dir", dir, "--json"); !strings.Contains(o.out, `"event":"complete"`) || !strings.Contains(o.out, `"event":"exit"`) {
		t.Errorf("exit %d: %s", o.status, o.out)
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func isData(p *pcap.Packet) bool { return packet.Type(p.Data[4]&0x0f) == packet.TypeODATA }

// A file of which the capture lacks a packet is lost; the others are restored all the same, and nothing that is not whole has its name.
func TestReplayOfIncompleteFiles(t *testing.T) {
	capture := filmFiles(t, nil, map[string][]byte{"big": noise(1_000_000), "small": []byte("small\n")})
	dir := t.TempDir()
	hundredth := 0
	project(t, cutFilm(t, capture, func(_ int, p *pcap.Packet) bool {
		if isData(p) {
			hundredth++
		}
		return hundredth != 100
	}), "--dir", dir).expect(t, console.ExitLost, "", "big: data lost beyond repair", "small: complete")
	if _, err := os.Stat(dir + "/big"); err == nil {
		t.Error("a file that is not whole has its name")
	}
	early, late := t.TempDir(), t.TempDir()
	project(t, cutFilm(t, capture, func(n int, _ *pcap.Packet) bool { return n < 100 }), "--dir", early).
		expect(t, 1, "", "the capture ends before the session does")
	project(t, cutFilm(t, capture, func(n int, _ *pcap.Packet) bool { return n > 100 }), "--dir", late).
		expect(t, 1, "", "files whose beginning the capture does not have")
	for _, dir := range []string{early, late} {
		if _, err := os.Stat(dir + "/big"); err == nil {
			t.Error("a file that is not whole has its name")
		}
	}
	project(t, whole(t).develop(), "--dir", dir).expect(t, 1, "", "a stream or messages (--stdout and --lines are for those)")
}

// More sessions than are received at once, one after the other, are all restored.
func TestReplayOfManySessions(t *testing.T) {
	one := filmFiles(t, nil, map[string][]byte{"file": noise(100_000)})
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range byte(40) {
		cutFilm(t, one, func(_ int, p *pcap.Packet) bool {
			p.Data[13] += i // another GSI
			packet.Seal(p.Data)
			if err := w.Write(*p); err != nil {
				t.Fatal(err)
			}
			return false
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	o := project(t, b.Bytes(), "--dir", t.TempDir())
	if n := strings.Count(o.errs, "file: complete"); o.status != 0 || n != 40 {
		t.Errorf("exit %d, %d files of 40; %s", o.status, n, o.errs)
	}
}
