package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests of this file run the two programs as their users do, over the loopback interface.

var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pgm-programs")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "../pgmrecv", ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return dir, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// program is one of the two, running.
type program struct {
	*exec.Cmd
	t        *testing.T
	out, err syncBuffer
	done     chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, stdin []byte, name string, args ...string) *program {
	t.Helper()
	return startBy(t, func(start func() error) error { return start() }, stdin, name, args...)
}

// startBy has by start the program, which says where it runs.
func startBy(t *testing.T, by func(start func() error) error, stdin []byte, name string, args ...string) *program {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(filepath.Join(dir, name), args...), t: t, done: make(chan struct{})}
	p.Stdout, p.Stderr = &p.out, &p.err
	if stdin != nil {
		p.Stdin = bytes.NewReader(stdin)
	}
	if err := by(p.Start); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.done
	})
	return p
}

// exit waits for the program's end and compares its exit status.
func (p *program) exit(want int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		p.t.Fatalf("%v did not end; stderr:\n%s", p.Args, p.err.String())
	}
	if got := p.ProcessState.ExitCode(); got != want {
		p.t.Fatalf("%v: exit %d, want %d; stderr:\n%s", p.Args, got, want, p.err.String())
	}
}

// says waits until standard error contains the text.
func (p *program) says(text string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(p.err.String(), text) {
			return
		}
	}
	p.t.Fatalf("%v did not say %q but:\n%s", p.Args, text, p.err.String())
}

// events returns the objects that the program reported.
func (p *program) events() (all []map[string]any) {
	p.t.Helper()
	sc := bufio.NewScanner(strings.NewReader(p.out.String()))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e map[string]any
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e["event"] == nil {
			p.t.Fatalf("%q is no report: %v", sc.Text(), err)
		}
		all = append(all, e)
	}
	return all
}

var ports atomic.Uint32

// endpoint returns one that no other test uses.
func endpoint() string {
	n := ports.Add(1)
	return fmt.Sprintf("epgm://127.0.0.1;239.255.%d.%d:%d", os.Getpid()%250+1, n, 20000+os.Getpid()%20000+int(n))
}

func content(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	rng.Read(b)
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d octets, error %v; want the %d that were sent", path, len(got), err, len(want))
	}
}

func TestTreeReachesEveryReceiver(t *testing.T) {
	src, e := t.TempDir(), endpoint()
	big, small := content(3_000_000), []byte("hello\n")
	write(t, src+"/tree/big", big)
	write(t, src+"/tree/sub/small", small)
	write(t, src+"/tree/empty", nil)
	var receivers []*program
	var dirs []string
	for i := range 3 {
		dirs = append(dirs, t.TempDir())
		receivers = append(receivers, start(t, nil, "pgmrecv", "-e", e, "-d", dirs[i], "--once", "--drop", "3%", "--name", fmt.Sprint("r", i), "--json"))
	}
	s := start(t, nil, "pgmsend", "-e", e, "--mtu", "1500", "--rate", "200M", "--expect-from", "r0,r1,r2", "--json", src+"/tree")
	s.exit(0)
	for i, r := range receivers {
		r.exit(0)
		same(t, dirs[i]+"/tree/big", big)
		same(t, dirs[i]+"/tree/sub/small", small)
		same(t, dirs[i]+"/tree/empty", nil)
		last := r.events()[len(r.events())-1]
		if last["event"] != "exit" || last["repaired"].(float64) == 0 {
			t.Errorf("receiver %d ends with %v", i, last)
		}
	}
	done := s.events()[len(s.events())-1]
	if list, _ := done["receivers"].([]any); done["event"] != "done" || len(list) != 3 {
		t.Errorf("the sender ends with %v", done)
	}
}

func TestKilledReceiverResumes(t *testing.T) {
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	data := content(12_000_000)
	write(t, src+"/file", data)
	first := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--progress", "plain")
	s := start(t, nil, "pgmsend", "-e", e, "--mtu", "1500", "--rate", "20M", "--expect", "1", "--timeout", "20s", src+"/file")
	first.says("left")
	time.Sleep(2500 * time.Millisecond) // what it has is written down every two seconds
	first.Process.Kill()
	<-first.done
	if _, err := os.Stat(dir + "/file"); err == nil {
		t.Fatal("a file that is not complete has its final name")
	}
	second := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--once", "--json")
	second.exit(0)
	same(t, dir+"/file", data)
	resumed := 0.0
	for _, event := range second.events() {
		if event["resumed"] != nil {
			resumed = max(resumed, event["resumed"].(float64))
		}
	}
	if resumed < 1_000_000 {
		t.Errorf("%.0f octets were taken from the first run, want a good part of the file", resumed)
	}
	s.says("complete")
}

func TestInterruptedSenderTellsReceivers(t *testing.T) {
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	write(t, src+"/file", content(20_000_000))
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--once")
	s := start(t, nil, "pgmsend", "-e", e, "--rate", "10M", "--expect", "1", src+"/file")
	r.says("receiving 1 file")
	s.Process.Signal(syscall.SIGINT)
	s.exit(130)
	r.exit(4)
	if _, err := os.Stat(dir + "/file"); err == nil {
		t.Error("a file that is not complete has its final name")
	}
}

func TestInterruptedReceiver(t *testing.T) {
	r := start(t, nil, "pgmrecv", "-e", endpoint(), "-d", t.TempDir())
	r.says("listening")
	time.Sleep(50 * time.Millisecond)
	r.Process.Signal(syscall.SIGTERM)
	r.exit(130)
}

func TestExpectedReceiverIsMissing(t *testing.T) {
	src, e := t.TempDir(), endpoint()
	write(t, src+"/file", []byte("x"))
	s := start(t, nil, "pgmsend", "-e", e, "--expect-from", "here,there", "--timeout", "1s", src+"/file")
	s.exit(5)
	if text := s.err.String(); !strings.Contains(text, "here") || !strings.Contains(text, "there") {
		t.Errorf("the sender does not name who is missing:\n%s", text)
	}
}

func TestNobodyReceives(t *testing.T) {
	src := t.TempDir()
	write(t, src+"/file", content(3_000_000))
	s := start(t, nil, "pgmsend", "-e", endpoint(), "--rate", "5M", src+"/file")
	s.says("--expect N")
	s.exit(0)
}

// Without a flag, who sends to nobody hears within seconds that it will take long, and who comes late, that it is there; it has the whole file, and
// soon.
func TestLateReceiverIsToldOf(t *testing.T) {
	t.Parallel()
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	data := content(30_000_000)
	write(t, src+"/file", data)
	s := start(t, nil, "pgmsend", "-e", e, src+"/file")
	s.says("no receiver has answered so far; until one does, it goes out slowly, at 8.0 Mbit/s, which takes ")
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--once", "--name", "late")
	s.says(") has begun")
	r.exit(0)
	s.exit(0)
	same(t, dir+"/file", data)
	if text := s.err.String(); !strings.Contains(text, "all of it is at 1 receiver: late") {
		t.Errorf("the sender ends with:\n%s", text)
	}
}

// Who answers without reporting is not nobody.
func TestStandardOutputAnswers(t *testing.T) {
	t.Parallel()
	src, e := t.TempDir(), endpoint()
	data := content(13_000_000)
	write(t, src+"/file", data)
	r := start(t, nil, "pgmrecv", "-e", e, "--stdout", "--once")
	r.says("listening")
	s := start(t, nil, "pgmsend", "-e", e, "--rate", "30M", "--linger", "300ms", src+"/file")
	s.exit(0)
	r.exit(0)
	if text := s.err.String(); strings.Contains(text, "no receiver has answered") || !strings.Contains(text, "those that write to standard output do not report") {
		t.Errorf("the sender says:\n%s", text)
	}
	if r.out.String() != string(data) {
		t.Error("what was received is not what was sent")
	}
}

// Of a receiver that has failed, and one that has the file already, each end says so, and how many are waited for.
func TestReceiversThatFailOrHaveItAreToldApart(t *testing.T) {
	t.Parallel()
	src, dir, none, e := t.TempDir(), t.TempDir(), t.TempDir(), endpoint()
	data := content(2_000_000)
	write(t, src+"/tree/file", data)
	write(t, none+"/tree", nil) // in the way
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--name", "here")
	f := start(t, nil, "pgmrecv", "-e", e, "-d", none, "--name", "full")
	r.says("listening")
	f.says("listening")
	for range 2 {
		s := start(t, nil, "pgmsend", "-e", e, "--rate", "20M", "--expect", "2", src+"/tree")
		s.exit(5)
		text := s.err.String()
		if !strings.Contains(text, "all of it is at 1 receiver: here") || !strings.Contains(text, "full: tree") || strings.Contains(text, "waiting for 2 more") {
			t.Errorf("the sender says:\n%s", text)
		}
	}
	r.says("tree/file: complete, 1.9 MiB, all here from before, digest right")
}

func TestStreamAndLines(t *testing.T) {
	octets := content(5_000_000)
	var lines bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&lines, "line %d\n", i)
	}
	for _, test := range []struct {
		name       string
		send, recv []string
		data       []byte
	}{
		{"stream", nil, []string{"--stdout"}, octets},
		{"lines", []string{"--lines"}, []string{"--lines"}, lines.Bytes()},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := endpoint()
			r := start(t, nil, "pgmrecv", append([]string{"-e", e, "--once", "--drop", "1%"}, test.recv...)...)
			r.says("listening")
			time.Sleep(50 * time.Millisecond)
			s := start(t, test.data, "pgmsend", append([]string{"-e", e, "--mtu", "1500", "--rate", "100M", "-"}, test.send...)...)
			s.exit(0)
			r.exit(0)
			if got := r.out.String(); got != string(test.data) {
				t.Errorf("received %d octets, which are not the %d that were sent", len(got), len(test.data))
			}
		})
	}
}

// A receiver of files that hears a stream says what it is, and goes on listening.
func TestStreamWhereFilesAreExpected(t *testing.T) {
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	write(t, src+"/file", []byte("x"))
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--once")
	r.says("listening")
	start(t, []byte("no file"), "pgmsend", "-e", e, "-")
	r.says("sends no files but a stream")
	start(t, nil, "pgmsend", "-e", e, "--expect", "1", src+"/file").exit(0)
	r.exit(0)
	same(t, dir+"/file", []byte("x"))
}

func TestTwoSendersIntoOneReceiver(t *testing.T) {
	src, dir, e := t.TempDir(), t.TempDir(), endpoint()
	a, b := content(2_000_000), content(2_000_001)
	write(t, src+"/a", a)
	write(t, src+"/b", b)
	r := start(t, nil, "pgmrecv", "-e", e, "-d", dir, "--drop", "2%")
	r.says("listening")
	s1 := start(t, nil, "pgmsend", "-e", e, "--mtu", "1500", "--rate", "50M", "--expect", "1", src+"/a")
	s2 := start(t, nil, "pgmsend", "-e", e, "--mtu", "1500", "--rate", "50M", "--expect", "1", src+"/b")
	s1.exit(0)
	s2.exit(0)
	same(t, dir+"/a", a)
	same(t, dir+"/b", b)
}
