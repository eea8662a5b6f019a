package afpacket

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

// What the filter lets pass is heard, whole packets from the IP header on, with the length that they have; Close ends the wait.
func TestSocketHearsWhatTheFilterLetsPass(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	to, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	port := uint32(to.LocalAddr().(*net.UDPAddr).Port)
	s, err := Open(lo, IPv4, []bpf.Instruction{
		bpf.LoadAbsolute{Off: 22, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
		bpf.RetConstant{Val: 65535},
		bpf.RetConstant{Val: 0},
	}, nil)
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	from, err := net.Dial("udp4", to.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := from.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 50)
	if n, err := s.Read(b); err != nil || n != 128 || b[0] != 0x45 || b[9] != 17 {
		t.Errorf("%d octets, %v: % x", n, err, b)
	}
	time.AfterFunc(10*time.Millisecond, func() { s.Close() })
	for err == nil { // what is sent over lo is heard twice
		_, err = s.Read(b)
	}
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A filter that is none is an error, and nothing stays open.
func TestSocketWithoutFilterIsNone(t *testing.T) {
	if s, err := Open(&net.Interface{Index: 1, Name: "lo"}, IPv6, []bpf.Instruction{bpf.Jump{Skip: 1 << 30}}, nil); err == nil {
		s.Close()
		t.Error("it opened")
	}
}
