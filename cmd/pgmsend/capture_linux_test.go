package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// judged has a capture judged, by the program, and fails if there is a finding; then it replays it, and returns what is written to standard
// output.
func judged(t *testing.T, capture string, args ...string) string {
	t.Helper()
	check := start(t, nil, "pgmrecv", "-r", capture, "--check")
	check.exit(0)
	if text := check.out.String(); !strings.Contains(text, "\nno finding\n") {
		t.Errorf("%s:\n%s", capture, text)
	}
	r := start(t, nil, "pgmrecv", append([]string{"-r", capture}, args...)...)
	r.exit(0)
	return r.out.String()
}

// What either program captures of a session, over a network that loses packets, is without a finding, and gives again what was sent, octet for
// octet.
func TestCapturesOfLiveSessions(t *testing.T) {
	for _, network := range []string{"epgm://v0;239.192.9.9:7500", "epgm://v0;[ff02::99]:7500", "pgm://v0;239.192.9.9:7500"} {
		t.Run(strings.NewReplacer("/", "", ";", " ").Replace(network), func(t *testing.T) {
			a, b := newPair(t, true)
			b.lose()
			for _, what := range []string{"files", "stream", "lines"} {
				t.Run(what, func(t *testing.T) { captured(t, a, b, network, what) })
			}
			if b.lost() == 0 {
				t.Error("nothing was lost")
			}
		})
	}
}

func captured(t *testing.T, a, b *namespace, endpoint, what string) {
	dir := t.TempDir()
	sent, received := dir+"/sent.pcapng", dir+"/received.pcapng"
	send := []string{"-e", endpoint, "--mtu", "1500", "--rate", "50M", "--linger", "500ms", "--capture", sent}
	receive := []string{"-e", endpoint, "--once", "--capture", received}
	files := map[string][]byte{"big": content(1_500_000), "sub/small": []byte("small\n"), "empty": nil}
	var data []byte
	switch what {
	case "files":
		for name, b := range files {
			write(t, dir+"/tree/"+name, b)
		}
		send, receive = append(send, "--expect", "1", dir+"/tree"), append(receive, "--dir", t.TempDir())
	case "stream":
		data = content(1_500_000)
		send, receive = append(send, "-"), append(receive, "--stdout")
	case "lines":
		var lines bytes.Buffer
		for i := range 3000 {
			fmt.Fprintf(&lines, "line %d of some length, so that there are packets to be lost\n", i)
		}
		data = lines.Bytes()
		send, receive = append(send, "--lines", "-"), append(receive, "--lines")
	}
	r := b.start("pgmrecv", receive...)
	r.says("listening")
	s := startBy(t, a.by, data, "pgmsend", send...)
	s.exit(0)
	r.exit(0)
	for _, capture := range []string{sent, received} {
		switch what {
		case "files":
			again := t.TempDir()
			judged(t, capture, "--dir", again)
			for name, b := range files {
				same(t, again+"/tree/"+name, b)
			}
		case "stream":
			if got := judged(t, capture, "--stdout"); got != string(data) {
				t.Errorf("%s gives %d octets, which are not the %d that were sent", capture, len(got), len(data))
			}
		case "lines":
			if got := judged(t, capture, "--lines"); got != string(data) {
				t.Errorf("%s gives %d octets, which are not the %d that were sent", capture, len(got), len(data))
			}
		}
	}
}

// A capture is whole when the program is interrupted, and says how the session ended.
func TestInterruptedCapture(t *testing.T) {
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	write(t, src+"/file", content(5_000_000))
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--capture", dir+"/received")
	r.says("listening")
	s := start(t, nil, "pgmsend", "-e", e, "--rate", "10M", "--expect", "1", "--capture", dir+"/sent", src+"/file")
	r.says("receiving 1 file")
	time.Sleep(100 * time.Millisecond)
	s.Process.Signal(syscall.SIGINT)
	s.exit(130)
	r.says("session reset")
	r.Process.Signal(syscall.SIGINT)
	r.exit(130)
	for _, name := range []string{"/received", "/sent"} {
		again := start(t, nil, "pgmrecv", "-r", dir+name, "--dir", t.TempDir(), "--check")
		again.exit(4)
		if text := again.err.String(); !strings.Contains(text, "session reset") || !strings.Contains(text, "no finding") {
			t.Errorf("%s:\n%s", name, text)
		}
		if _, err := os.Stat(dir + name); err != nil {
			t.Error(err)
		}
	}
}
