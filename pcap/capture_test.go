package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var le, be = binary.LittleEndian, binary.BigEndian

// captures are the same two packets in every format.
func captures(t testing.TB) map[string][]byte {
	records := []record{{start, udp4(t, odata(1, 100)), 0}, {start.Add(time.Millisecond), udp4(t, odata(2, 31)), 0}}
	return map[string][]byte{
		"pcap, microseconds, little-endian": classicCapture(le, false, linkRaw, records...),
		"pcap, microseconds, big-endian":    classicCapture(be, false, linkRaw, records...),
		"pcap, nanoseconds, little-endian":  classicCapture(le, true, linkRaw, records...),
		"pcap, nanoseconds, big-endian":     classicCapture(be, true, linkRaw, records...),
		"pcapng, little-endian":             ngCapture(le, linkRaw, records...),
		"pcapng, big-endian":                ngCapture(be, linkRaw, records...),
	}
}

func TestFormatsAndByteOrders(t *testing.T) {
	for name, b := range captures(t) {
		r, err := Open(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all, err := readAll(r)
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: %d packets, %v; want 2", name, len(all), err)
		}
		first := start
		if strings.Contains(name, "microseconds") {
			first = start.Truncate(time.Microsecond)
		}
		p := all[0]
		if !p.Time.Equal(first) || !bytes.Equal(p.Data, odata(1, 100)) || p.Number != 1 || p.Src != source4 || p.Dst != group4 ||
			p.TTL != 16 || !p.UDP || p.Truncated || p.Length != len(p.Data) || p.Fragmented || p.RouterAlert {
			t.Errorf("%s: got %+v", name, p)
		}
		if all[1].Number != 2 || all[1].Time.Sub(p.Time) != time.Millisecond {
			t.Errorf("%s: got second %+v", name, all[1])
		}
		if err := r.Read(&p); err != io.EOF {
			t.Errorf("%s: after the end: %v, want io.EOF again", name, err)
		}
	}
}

// A capture that was cut anywhere yields the packets before the cut, and says where reading stopped.
func TestEveryPrefixOfACapture(t *testing.T) {
	for name, whole := range captures(t) {
		clean, last := 0, 0
		for n := range len(whole) {
			r, err := Open(bytes.NewReader(whole[:n]))
			var all []Packet
			if err == nil {
				all, err = readAll(r)
			}
			if err == nil {
				clean++
			} else if f := isFormatError(t, err); !errors.Is(err, io.ErrUnexpectedEOF) || f.Offset > int64(n) {
				t.Fatalf("%s[:%d]: %v", name, n, err)
			}
			if len(all) < last {
				t.Fatalf("%s[:%d]: %d packets, fewer than from a shorter prefix", name, n, len(all))
			}
			last = len(all)
		}
		// Only behind a record is the end of a file its end: the header of the file, and the first of the packets.
		want := 2
		if strings.HasPrefix(name, "pcapng") {
			want = 3 // the section's header and the interface's
		}
		if clean != want || last != 1 {
			t.Errorf("%s: %d prefixes were whole captures, the last held %d packets; want %d and 1", name, clean, last, want)
		}
	}
}

func TestWhereReadingStops(t *testing.T) {
	good := record{start, udp4(t, odata(1, 10)), 0}
	classic, ng := slices.Clip(classicCapture(le, true, linkRaw, good)), slices.Clip(ngCapture(le, linkRaw, good))
	with := func(b []byte, at int, v uint32) []byte {
		return le.AppendUint32(append([]byte(nil), b[:at]...), v)
	}
	tests := []struct {
		name    string
		b       []byte
		offset  int
		reason  string
		packets int
	}{
		{"empty", nil, 0, "the capture is empty", 0},
		{"foreign", []byte("<html><body>"), 0, "neither a pcap nor a pcapng file: it begins with 0x3c68746d", 0},
		{"pcap of another version", append(with(nil, 0, magicMicroseconds), make([]byte, 20)...), 0, "pcap of unknown version 0", 0},
		{"pcap of another link", classicCapture(le, true, 105), 20, "frames of link type 105, which this package does not read", 0},
		{"record without end", append(classic, append(make([]byte, 8), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)...), len(classic),
			"a record of 4294967295 octets, longer than any frame", 1},
		{"record a little too long", classicCapture(le, true, linkRaw, good, record{start, make([]byte, maxFrame+1), 0}), len(classic),
			"a record of 262145 octets, longer than any frame", 1},
		{"block a little too long", block(ng, le, blockEnhanced, make([]byte, maxBlock-8)), len(ng), "a block of 327684 octets, longer than any frame", 1},
		{"too many interfaces", slices.Concat(ng, bytes.Repeat(describe(nil, le, linkRaw, 9), maxInterfaces)), len(ng) + (maxInterfaces-1)*32,
			"a section with more than 4096 interfaces", 1},
		{"block of no octets", append(with(ng, len(ng), blockEnhanced), make([]byte, 8)...), len(ng), "a block of 0 octets", 1},
		{"block of odd length", append(with(ng, len(ng), blockEnhanced), 21, 0, 0, 0, 0, 0, 0, 0), len(ng), "a block of 21 octets", 1},
		{"block without end", append(with(ng, len(ng), blockEnhanced), 0xfc, 0xff, 0xff, 0xff, 0, 0, 0, 0), len(ng),
			"a block of 4294967292 octets, longer than any frame", 1},
		{"block that is not looked into, without end", append(with(ng, len(ng), 77), 0xfc, 0xff, 0xff, 0xff, 0, 0, 0, 0), len(ng) + 12,
			"the capture ends in the middle of a record", 1},
		{"block of two lengths", append(ng[:len(ng)-4:len(ng)-4], 1, 2, 3, 4), len(ng) - len(block(nil, le, 0, good.data)) - 20,
			"a block whose two lengths disagree", 0},
		{"frame of no interface", enhanced(ng, le, 1, 0, good), len(ng), "a frame of interface 1, which is not described", 1},
		{"frame longer than its block", block(ng, le, blockEnhanced, append(make([]byte, 12), 9, 0, 0, 0, 9, 0, 0, 0)), len(ng),
			"a frame of 9 octets in a shorter block", 1},
		{"block too short", block(ng, le, blockEnhanced, make([]byte, 8)), len(ng), "a block that is too short for its type", 1},
		{"simple block before any interface", block(section(nil, le, linkRaw, 6)[:28], le, blockSimple, make([]byte, 8)), 28,
			"a frame of interface 0, which is not described", 0},
		{"section without order", block(nil, le, blockSection, make([]byte, 16)), 0, "a section without a byte order", 0},
		{"resolution", section(nil, le, linkRaw, 99), 28, "a resolution of timestamps beyond 64 bits", 0},
		{"binary resolution", section(nil, le, linkRaw, 0x80|64), 28, "a resolution of timestamps beyond 64 bits", 0},
	}
	for _, tt := range tests {
		r, err := Open(bytes.NewReader(tt.b))
		var all []Packet
		if err == nil {
			all, err = readAll(r)
		}
		f := isFormatError(t, err)
		if f.Offset != int64(tt.offset) || f.Reason != tt.reason || len(all) != tt.packets {
			t.Errorf("%s: %d packets, then offset %d: %s; want %d, offset %d: %s", tt.name, len(all), f.Offset, f.Reason, tt.packets, tt.offset, tt.reason)
		}
	}
}

// The longest frames fit through the buffer.
func TestTheLongestFrames(t *testing.T) {
	long := append(udp4(t, odata(1, 10)), make([]byte, maxFrame)...)[:maxFrame]
	for _, b := range [][]byte{classicCapture(be, true, linkRaw, record{start, long, 0}), ngCapture(be, linkRaw, record{start, long, 0})} {
		r, err := Open(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if all, err := readAll(r); len(all) != 1 || err != nil {
			t.Errorf("%d packets, %v", len(all), err)
		}
	}
}

// What the io.Reader fails with is told, and can be tested for.
func TestFailureOfTheReaderIsTold(t *testing.T) {
	broken := errors.New("the disk is gone")
	b := classicCapture(le, true, linkRaw, record{start, udp4(t, odata(1, 10)), 0})
	r, err := Open(io.MultiReader(bytes.NewReader(b), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(r)
	if len(all) != 1 || !errors.Is(err, broken) || isFormatError(t, err).Offset != int64(len(b)) {
		t.Errorf("%d packets, %v", len(all), err)
	}
}

func TestTimestampResolutions(t *testing.T) {
	tests := []struct {
		resol  byte
		offset int64
		stamp  uint64
		want   time.Time
	}{
		{6, 0, 1_700_000_000_123_456, time.Unix(1_700_000_000, 123_456_000)},
		{9, 0, 1_700_000_000_123_456_789, time.Unix(1_700_000_000, 123_456_789)},
		{0, 0, 1_700_000_000, time.Unix(1_700_000_000, 0)},
		{3, 0, 1_700_000_000_123, time.Unix(1_700_000_000, 123_000_000)},
		{12, 1_700_000_000, 123_456_789_012, time.Unix(1_700_000_000, 123_456_789)},
		{19, 5, 15_000_000_000_000_000_000, time.Unix(6, 500_000_000)},
		{0x80 | 10, 0, 1024*7 + 512, time.Unix(7, 500_000_000)},
		{0x80 | 63, -3, 1<<63 + 1<<62, time.Unix(-2, 500_000_000)},
	}
	for _, tt := range tests {
		i := ngInterface{units: resolution(tt.resol), offset: tt.offset}
		if got := i.time(tt.stamp); !got.Equal(tt.want) {
			t.Errorf("resolution %#x: %d is %v, want %v", tt.resol, tt.stamp, got, tt.want)
		}
	}
}

// Sections have byte orders and interfaces of their own; blocks of other types, however long, are passed over.
func TestSectionsInterfacesAndOtherBlocks(t *testing.T) {
	data := udp4(t, odata(1, 10))
	b := section(nil, le, linkRaw, 9)
	b = describe(b, le, 105, 9) // not read
	b = block(b, le, 0x0bad, make([]byte, 3*inputSize))
	b = enhanced(b, le, 1, 7, record{data: data})
	b = enhanced(b, le, 0, 7, record{data: data})
	b = section(b, be, linkEthernet, 6)
	b = enhanced(b, be, 0, 9, record{data: ethernet(data, etherIPv4)})
	old := append([]byte{0, 0, 0, 3}, be.AppendUint32(be.AppendUint32(make([]byte, 4), 11), uint32(len(data)+14))...)
	old = append(be.AppendUint32(old, uint32(len(data)+14)), ethernet(data, etherIPv4)...)
	b = block(b, be, blockPacket, old)
	b = block(b, be, blockSimple, append(be.AppendUint32(nil, uint32(len(data)+14)), ethernet(data, etherIPv4)...))
	r, err := Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(r)
	if err != nil || len(all) != 4 {
		t.Fatalf("%d packets, %v; want 4", len(all), err)
	}
	for i, want := range []time.Time{time.Unix(0, 7), time.Unix(0, 9000), time.Unix(0, 11000), {}} {
		if !all[i].Time.Equal(want) || all[i].Number != i+2 {
			t.Errorf("packet %d: frame %d at %v; want %d at %v", i, all[i].Number, all[i].Time, i+2, want)
		}
	}
	if s := r.Stats(); s.Frames != 5 || s.OtherLink != 1 || s.Packets != 4 {
		t.Errorf("stats %+v", s)
	}
}
