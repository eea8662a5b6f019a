package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What forwarding costs: a file goes by one router to one receiver, as IP protocol 113, by the program and by the kernel. It is a measurement, and
// asked for by GOPGM_FORWARDING=1.
func TestForwardingCost(t *testing.T) {
	if os.Getenv("GOPGM_FORWARDING") == "" {
		t.Skip("a measurement: set GOPGM_FORWARDING=1")
	}
	l := newLab(t)
	l.raw = true
	const size = 100 << 20
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, rate := range []string{"200M", "5G"} {
		for _, forward := range []string{forwardUser, forwardKernel} {
			t.Run(rate+" by "+forward, func(t *testing.T) {
				router := l.program(t, "e1", "pgmrouter", "-e", l.endpoint(""), "--forward", forward, "-i", "in0", "-i", "out0", "--listen", "all", "--status", l.status("e1"))
				receiver := l.program(t, "e2", "pgmrecv", "-e", l.endpoint("in0;"), "--once", "--timeout", "60s", "--progress", "none", "--dir", t.TempDir())
				for range 100 {
					if l.shown("e1").Forward == forward && strings.Contains(receiver.said.String(), "listening on") {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
				defer cancel()
				send := l.commandContext(ctx, "s", filepath.Join(l.bin, "pgmsend"), "-e", l.endpoint("u0;"),
					"--rate", rate, "--expect", "1", "--progress", "none", file)
				before := cpu(router.Process.Pid)
				if out, err := send.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				spent := cpu(router.Process.Pid) - before
				_ = receiver.Wait()
				s := l.shown("e1")
				packets := s.Element.ODATA
				if len(s.Kernel) > 0 {
					packets = s.Kernel[0].Packets
				}
				said := receiver.said.String()
				took := ""
				if _, rest, ok := strings.Cut(said, "complete, "); ok {
					took, _, _ = strings.Cut(rest, "\n")
				}
				t.Logf("%d packets of data; pgmrouter %v of CPU, pgmsend %v, pgmrecv %v; %d repairs forwarded, %d dropped at the router; %s", packets, spent,
					send.ProcessState.UserTime()+send.ProcessState.SystemTime(), receiver.ProcessState.UserTime()+receiver.ProcessState.SystemTime(),
					s.Element.RDATA+s.Element.Echoes, s.Links[0].Drops, took)
				_ = router.Process.Kill()
				_ = router.Wait()
			})
		}
	}
}

// cpu is the time that a process has computed.
func cpu(pid int) time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
