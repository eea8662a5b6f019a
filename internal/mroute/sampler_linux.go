package mroute

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/afpacket"
)

// Sampler sees multicast that comes to an interface without IP options, and that the kernel therefore forwards: some of the many of one kind, and all
// others.
type Sampler struct{ socket *afpacket.Socket }

// OpenSampler opens a Sampler for packets of a protocol, whatever their group.
func OpenSampler(ifi *net.Interface, protocol int, many Kind) (*Sampler, error) {
	socket, err := afpacket.Open(ifi, afpacket.IPv4, many.filter(protocol), nil)
	if err != nil {
		return nil, fmt.Errorf("seeing packets on %s: %w", ifi.Name, err)
	}
	return &Sampler{socket}, nil
}

// filter returns what lets pass what a Sampler sees. A fragment is no packet: what is in it where a packet has its kind, may be anything.
func (k Kind) filter(protocol int) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x45, SkipTrue: 13}, // a header of 20 octets
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 11}, // more fragments, or an offset
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(protocol), SkipTrue: 9},
		bpf.LoadAbsolute{Off: 16, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 224, SkipTrue: 7},
		bpf.LoadAbsolute{Off: uint32(20 + k.At), Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(k.Mask)},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(k.Value), SkipTrue: 3},
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: k.OneIn},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: 65535},
		bpf.RetConstant{Val: 0},
	}
}

// Read waits for a packet, and copies it to b. The error is net.ErrClosed after Close.
func (s *Sampler) Read(b []byte) (Sample, error) {
	for {
		n, err := s.socket.Read(b)
		switch {
		case errors.Is(err, unix.ENETDOWN): // said once; the socket goes on when the interface is up again
			continue
		case err != nil:
			return Sample{}, err
		case n < 20 || n > len(b):
			continue
		}
		length := int(b[2])<<8 | int(b[3]) // behind it there may be padding
		if length < 20 || length > n {
			continue
		}
		return Sample{Source: netip.AddrFrom4([4]byte(b[12:])), Group: netip.AddrFrom4([4]byte(b[16:])), TTL: int(b[8]), Payload: b[20:length]}, nil
	}
}

// Close ends Read.
func (s *Sampler) Close() error { return s.socket.Close() }
