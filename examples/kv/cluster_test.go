package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// A replica is this test's own program, told by the environment to be one.
func TestMain(m *testing.M) {
	if os.Getenv("KV_REPLICA") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

var groups atomic.Uint32

// cluster is replicas in processes of their own, on the loopback interface or on hosts of a net.
type cluster struct {
	t        *testing.T
	endpoint string
	dir      string
	hosts    []*netns.Host // nil: the loopback interface
	expect   int

	mu    sync.Mutex
	procs []*exec.Cmd
}

func newCluster(t *testing.T, n int, hosts []*netns.Host) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), hosts: hosts, procs: make([]*exec.Cmd, n), expect: n/2 + 1}
	c.endpoint = fmt.Sprintf("epgm://127.0.0.1;239.255.77.73:%d", 19500+uint32(os.Getpid()%400)*20+groups.Add(1))
	if hosts != nil {
		c.endpoint = "epgm://e0;239.192.77.73:7573"
	}
	for i := range n {
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range n {
			c.kill(i)
		}
	})
	return c
}

func (c *cluster) socket(i int) string { return filepath.Join(c.dir, fmt.Sprintf("r%d", i)) }

func (c *cluster) start(i int) {
	p := exec.Command(os.Args[0], "-e", c.endpoint, "-name", fmt.Sprintf("r%d", i), "-listen", c.socket(i), "-expect", fmt.Sprint(c.expect))
	p.Env = append(os.Environ(), "KV_REPLICA=1")
	var said bytes.Buffer
	p.Stderr = &said
	start := p.Start
	if c.hosts != nil {
		start = func() error { return c.hosts[i].Start(p) }
	}
	if err := start(); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.procs[i] = p
	c.mu.Unlock()
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Logf("r%d said: %s", i, said.String())
		}
	})
}

func (c *cluster) process(i int) *os.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.procs[i].Process
}

// kill ends a replica without a word.
func (c *cluster) kill(i int) {
	_ = c.process(i).Kill()
	_ = c.procs[i].Wait()
}

// harm kills a replica and starts it again, or stops it for a while.
func (c *cluster) harm(i int, kill bool) {
	if kill {
		c.kill(i)
		time.Sleep(400 * time.Millisecond)
		c.start(i)
		return
	}
	_ = c.process(i).Signal(syscall.SIGSTOP)
	time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond)
	_ = c.process(i).Signal(syscall.SIGCONT)
}

// client is a connection to one replica.
type client struct {
	conn  net.Conn
	lines *bufio.Reader
}

// ask sends a line and returns the answer; unknown when there is none in time.
func (k *client) ask(socket, line string) string {
	if k.conn == nil {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err != nil {
			return "refused: " + err.Error()
		}
		k.conn, k.lines = conn, bufio.NewReader(conn)
	}
	_ = k.conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := fmt.Fprintln(k.conn, line); err != nil {
		k.close()
		return unknown
	}
	answer, err := k.lines.ReadString('\n')
	if err != nil {
		k.close()
		return unknown
	}
	return strings.TrimSuffix(answer, "\n")
}

func (k *client) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}

// await waits until replica i has so many members in its view.
func (c *cluster) await(i, members int) {
	c.t.Helper()
	var k client
	defer k.close()
	answer := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if answer = k.ask(c.socket(i), "members"); strings.HasPrefix(answer, "members") && len(strings.Fields(answer)) == members+1 {
			return
		}
	}
	c.t.Fatalf("r%d: %q after 20 s; want %d members", i, answer, members)
}
