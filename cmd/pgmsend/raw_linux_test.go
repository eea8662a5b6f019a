package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of this file run the two programs on hosts of their own, joined by a cable that loses one packet in a hundred, each way.

func TestFileOverEveryNetwork(t *testing.T) {
	for _, test := range []struct {
		name       string
		send, recv string // recv: if it is not the same
		wide       bool   // the hosts have addresses beyond their link
		alert      string // how tshark shows Router Alert; empty: not recorded
	}{
		{"IPv4", "pgm://239.192.9.9:7500", "", true, "148"},
		{"IPv4, one source", "pgm://v0;232.1.2.3:7500", "pgm://v0;232.1.2.3,10.9.0.1:7500", true, ""},
		{"IPv6", "pgm://[ff05::77]:7500", "", true, "65503"},
		{"IPv6, link, one source", "pgm://[ff32::77%v0]:7500", "pgm://[ff32::77],[fe80::1%v0]:7500", false, ""},
		{"UDP, IPv6", "epgm://[ff08::77]:7500", "", true, ""},
		{"UDP, IPv6, link", "epgm://v0;[ff02::77]:7500", "epgm://[ff02::77]:7500", false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.recv == "" {
				test.recv = test.send
			}
			a, b := newPair(t, test.wide)
			stop := func() string { return "" }
			if test.alert != "" {
				stop = a.capture()
			}
			a.lose()
			b.lose()
			src, dir := t.TempDir(), t.TempDir()
			data := content(1_000_000)
			write(t, src+"/file", data)
			r := b.start("pgmrecv", "-e", test.recv, "-d", dir, "--once", "--json")
			r.says("listening")
			s := a.start("pgmsend", "-e", test.send, "--rate", "50M", "--expect", "1", "--timeout", "10s", src+"/file")
			s.exit(0)
			r.exit(0)
			same(t, dir+"/file", data)
			last := r.events()[len(r.events())-1]
			if last["repaired"].(float64) < 3 || a.lost() == 0 || b.lost() < 6 {
				t.Errorf("%v packets were repaired; %d towards the source and %d towards the receiver were lost", last["repaired"], a.lost(), b.lost())
			}
			if path := stop(); path != "" {
				witness(t, path, test.alert)
			}
		})
	}
}

// witness has tshark look at a capture: nothing in it is malformed, every checksum is right [8-13], and SPMs, POLLs, NCFs and RDATA, which
// are for network elements on their way too, bear IP Router Alert [4-01], others not [4-02].
func witness(t *testing.T, path, alert string) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", path, "-o", "pgm.check_checksum:TRUE", "-Y", "pgm || _ws.malformed", "-T", "fields",
		"-e", "pgm.hdr.type", "-e", "ip.opt.type", "-e", "ipv6.opt.router_alert", "-e", "_ws.malformed", "-e", "pgm.hdr.cksum.status").Output()
	if err != nil {
		t.Fatal("tshark: ", err)
	}
	alerted := map[string]bool{"0x00": true, "0x01": true, "0x05": true, "0x0a": true}
	seen := map[string]int{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("tshark says %q", line)
		}
		typ, options := f[0], f[1]+f[2]
		seen[typ]++
		want := ""
		if alerted[typ] {
			want = alert
		}
		// The last field is the status behind another that tshark knows by that name.
		if f[3] != "" || !strings.HasSuffix(","+f[4], ",1") || options != want {
			t.Errorf("type %s: options %q, want %q; malformed %q, checksum %q", typ, options, want, f[3], f[4])
			if t.Failed() && seen[typ] > 3 {
				return
			}
		}
	}
	for _, typ := range []string{"0x00", "0x04", "0x05", "0x08", "0x0a"} { // SPM, ODATA, RDATA, NAK, NCF
		if seen[typ] == 0 {
			t.Errorf("no packet of type %s among %v", typ, seen)
		}
	}
}

// Raw sockets have no ports: all endpoints of a host hear all that comes for it, its own included, and each must find its own.
func TestSeveralOnOneHostWithoutPorts(t *testing.T) {
	n := newNamespace(t)
	src := t.TempDir()
	files := map[string][]byte{"7500": content(800_000), "7501": content(800_001)}
	var receivers []*program
	var dirs []string
	var wants []string
	for _, port := range []string{"7500", "7500", "7501"} {
		dir := t.TempDir()
		dirs, wants = append(dirs, dir), append(wants, port)
		r := n.start("pgmrecv", "-e", "pgm://127.0.0.1;239.192.9.9:"+port, "-d", dir, "--once", "--json", "--drop", "2%")
		r.says("listening")
		receivers = append(receivers, r)
	}
	var senders []*program
	for port, data := range files {
		write(t, src+"/"+port, data)
		expect := "2"
		if port == "7501" {
			expect = "1"
		}
		senders = append(senders, n.start("pgmsend", "-e", "pgm://127.0.0.1;239.192.9.9:"+port, "--mtu", "1500", "--rate", "50M", "--expect", expect, "--json", src+"/"+port))
	}
	for _, s := range senders {
		s.exit(0)
	}
	for i, r := range receivers {
		r.exit(0)
		same(t, dirs[i]+"/"+wants[i], files[wants[i]])
		last := r.events()[len(r.events())-1]
		if last["repaired"].(float64) == 0 {
			t.Errorf("receiver %d repaired nothing: %v", i, last)
		}
	}
}

// Without the capability both programs say which they lack, and the line that gives it to them: to the file, not to a link to it.
func TestMissingCapabilityIsNamed(t *testing.T) {
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/operand", []byte("x"))
	without := func(start func() error) (err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for ever: the thread that gave up the capability ends here
			// Who may not do this is not root, and has no capability to give up.
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0, 0, 0)
			err = start()
		}()
		<-done
		return err
	}
	for _, name := range []string{"pgmsend", "pgmrecv"} {
		link := filepath.Join(dir, name+"-link")
		if err := os.Symlink(filepath.Join(dir, name), link); err != nil {
			t.Fatal(err)
		}
		args := []string{"-e", "pgm://127.0.0.1;239.255.9.9:7500"}
		if name == "pgmsend" {
			args = append(args, dir+"/operand")
		}
		p := startBy(t, without, nil, name+"-link", args...)
		p.exit(1)
		real, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text := p.err.String()
		if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, name+": ") || !strings.Contains(text, "CAP_NET_RAW") || !strings.HasSuffix(text, "setcap cap_net_raw+ep "+real+"\n") {
			t.Errorf("%s said %q", name, text)
		}
	}
}
