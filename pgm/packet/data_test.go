package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// parse reads a whole data packet.
func parse(p []byte) (h Header, d Data, err error) {
	body, err := h.Parse(p)
	if err == nil {
		err = d.Parse(&h, body)
	}
	return h, d, err
}

func TestDataOnTheWire(t *testing.T) { // [8.2-01]
	for _, tt := range []struct {
		name string
		h    Header
		d    Data
		wire string
	}{
		{
			"ODATA",
			Header{SourcePort: 0xc001, DestPort: 7500, Type: TypeODATA, GSI: session.GSI, TSDULength: 5},
			Data{SQN: 9, Trail: 7, TSDU: []byte("hello")},
			"c001 1d4c 04 00 0000 0a1b2c3d4e5f 0005  00000009 00000007  68656c6c6f",
		}, {
			"RDATA across the wrap, empty",
			Header{SourcePort: 0xc001, DestPort: 7500, Type: TypeRDATA, GSI: session.GSI},
			Data{SQN: 1, Trail: 0xffff_fffe},
			"c001 1d4c 05 00 0000 0a1b2c3d4e5f 0000  00000001 fffffffe",
		}, {
			"with OPT_FRAGMENT",
			Header{SourcePort: 0xc001, DestPort: 7500, Type: TypeODATA, Options: FlagOptions, GSI: session.GSI, TSDULength: 3},
			Data{SQN: 9, Trail: 9, TSDU: []byte("abc"), Options: unhex(t, "0004 0014 8110 0000 00000008 00000578 00000fa0")},
			"c001 1d4c 04 01 0000 0a1b2c3d4e5f 0003  00000009 00000009  00040014 81100000 00000008 00000578 00000fa0  616263",
		},
	} {
		p := tt.d.Append(tt.h.Append(nil))
		if want := unhex(t, tt.wire); !bytes.Equal(p, want) {
			t.Errorf("%s: Append = %x, want %x", tt.name, p, want)
		}
		Seal(p)
		h, d, err := parse(p)
		if err != nil || d.SQN != tt.d.SQN || d.Trail != tt.d.Trail || !bytes.Equal(d.TSDU, tt.d.TSDU) ||
			!bytes.Equal(d.Options, tt.d.Options) {
			t.Errorf("%s: Parse = %+v, %v; want %+v", tt.name, d, err, tt.d)
		}
		for n := range len(p) - HeaderLen { // as if the checksum had been right
			if err := d.Parse(&h, p[HeaderLen:HeaderLen+n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: the first %d octets of the body: %v, want ErrTruncated", tt.name, n, err)
			}
		}
		for n := range p { // with the checksum of the whole
			if _, _, err := parse(p[:n]); !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrChecksum) {
				t.Errorf("%s: the first %d octets: %v, want ErrTruncated or ErrChecksum", tt.name, n, err)
			}
		}
	}
}

func TestDataIsMalformedWhen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		typ    Type
		flags  Flags
		length uint16
		body   string
		kind   error
		offset int
	}{
		{"it is an SPM", TypeSPM, 0, 0, "00000001 00000001", ErrType, 4},
		{"it is a NAK", TypeNAK, 0, 0, "00000001 00000001", ErrType, 4},
		{"it has no trailing edge", TypeODATA, 0, 0, "00000001 000000", ErrTruncated, 16},
		{"the TSDU is shorter than it says", TypeODATA, 0, 6, "00000001 00000001 68656c6c6f", ErrTruncated, 29},
		{"the TSDU is longer than it says", TypeRDATA, 0, 4, "00000001 00000001 68656c6c6f", ErrLength, 14},
		{"there is a TSDU without a length", TypeRDATA, 0, 0, "00000001 00000001 68", ErrLength, 14},
		{"the trailing edge is ahead", TypeODATA, 0, 0, "00000001 00000002", ErrWindow, 20},
		{"the trailing edge is half a circle behind", TypeODATA, 0, 0, "80000000 00000000", ErrWindow, 20},
		{"the window exceeds its largest", TypeODATA, 0, 0, "7fffffff 00000000", ErrWindow, 20},
		{"OPT_LENGTH is missing", TypeODATA, FlagOptions, 0, "00000001 00000001", ErrTruncated, 24},
		{"the options are longer than the packet", TypeODATA, FlagOptions, 0, "00000001 00000001 00040009 8d040000", ErrTruncated, 26},
		{"its TSDU is taken for options", TypeODATA, FlagOptions, 8, "00000001 00000001 68656c6c 6f212121", ErrOption, 24},
		{"the options swallow the TSDU", TypeODATA, FlagOptions, 4, "00000001 00000001 00040008 8d040000", ErrTruncated, 32},
	} {
		var d Data
		err := d.Parse(&Header{Type: tt.typ, Options: tt.flags, TSDULength: tt.length}, unhex(t, tt.body))
		wantError(t, tt.name, err, tt.kind, tt.typ, tt.offset)
	}
}

func TestLargestWindowIsGood(t *testing.T) { // [3.3-02]
	var d Data
	if err := d.Parse(&Header{Type: TypeODATA}, unhex(t, "7ffffffe 00000000")); err != nil {
		t.Error(err)
	}
}

// The sequence number of a parity packet is that of its group with a count in the low bits: it may be behind the trail [11.4].
func TestParityPacketMayTrailTheTrail(t *testing.T) {
	var d Data
	if err := d.Parse(&Header{Type: TypeRDATA, Options: FlagParity}, unhex(t, "00000008 00000009")); err != nil {
		t.Error(err)
	}
}

func TestTSDULengthOfEveryValueButItsOwnIsRefused(t *testing.T) {
	body := unhex(t, "00000001 00000001 68656c6c6f")
	for n := range 1 << 16 {
		var d Data
		err := d.Parse(&Header{Type: TypeODATA, TSDULength: uint16(n)}, body)
		switch {
		case n < 5 && !errors.Is(err, ErrLength), n == 5 && err != nil, n > 5 && !errors.Is(err, ErrTruncated):
			t.Fatalf("TSDU Length %d of 5: %v", n, err)
		}
	}
}

func FuzzData(f *testing.F) {
	seed := func(h Header, d Data) {
		p := d.Append(h.Append(nil))
		f.Add(p)
	}
	seed(Header{Type: TypeODATA, GSI: session.GSI, TSDULength: 5}, Data{SQN: 9, Trail: 7, TSDU: []byte("hello")})
	seed(Header{Type: TypeRDATA, Options: FlagOptions, TSDULength: 3},
		Data{SQN: 9, TSDU: []byte("abc"), Options: unhex(f, "0004 0014 8110 0000 00000008 00000001 00000fa0")})
	seed(Header{Type: TypeRDATA, Options: FlagParity | FlagVarPktLen, TSDULength: 2}, Data{SQN: 8, Trail: 9, TSDU: []byte{0, 1}})
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) >= HeaderLen { // let the fuzzer through: it cannot guess the sum
			Seal(p)
		}
		h, d, err := parse(p)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(p) {
				t.Fatalf("%v is not an *Error at a place in %d octets", err, len(p))
			}
			return
		}
		again := d.Append(h.Append(nil))
		again[4] |= p[4] & 0x30
		Seal(again)
		if !bytes.Equal(again, p) {
			t.Fatalf("%x becomes %x", p, again)
		}
		if o, ok := FindOption(d.Options, OptFragment); ok {
			fr, err := ParseFragment(o, d.SQN, len(d.TSDU))
			if err == nil && (uint64(fr.Offset)+uint64(len(d.TSDU)) > uint64(fr.Length) || fr.First.After(d.SQN)) {
				t.Fatalf("impossible fragment %+v of packet %v with %d octets", fr, d.SQN, len(d.TSDU))
			}
		}
	})
}

func TestParsingDataAllocatesNothing(t *testing.T) {
	p := dataPacket(1400)
	if n := testing.AllocsPerRun(100, func() {
		_, d, err := parse(p)
		o, ok := FindOption(d.Options, OptFragment)
		f, ferr := ParseFragment(o, d.SQN, len(d.TSDU))
		if err != nil || !ok || ferr != nil || f.Length != 4000 {
			t.Fatal(err, ok, ferr)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkParseData(b *testing.B) {
	p := dataPacket(1400)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, _, err := parse(p); err != nil {
			b.Fatal(err)
		}
	}
}

// dataPacket returns a sealed ODATA packet with OPT_FRAGMENT and a TSDU of size octets.
func dataPacket(size int) []byte {
	h := Downstream(TypeODATA, session, 7500)
	h.TSDULength = uint16(size)
	p := binary.BigEndian.AppendUint64(h.Append(nil), 9<<32|7)
	p = EndOptions(Fragment{First: 8, Offset: 1400, Length: 4000}.AppendTo(BeginOptions(p)), DataHeaderLen)
	p = append(p, make([]byte, size)...)
	Seal(p)
	return p
}
