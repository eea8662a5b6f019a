package packet

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

var session = TSI{GSI: GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 0xc001}

func TestHeaderOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    Header
		wire string // ports, type and options, checksum, GSI, TSDU length
	}{
		{
			"an SPM, downstream",
			Downstream(TypeSPM, session, 7500),
			"c001 1d4c 00 00 0000 0a1b2c3d4e5f 0000",
		}, {
			"ODATA with options and a TSDU",
			Header{SourcePort: 0xc001, DestPort: 7500, Type: TypeODATA, Options: FlagOptions, GSI: session.GSI, TSDULength: 1400},
			"c001 1d4c 04 01 0000 0a1b2c3d4e5f 0578",
		}, {
			"a NAK with a list, upstream",
			Header{SourcePort: 7500, DestPort: 0xc001, Type: TypeNAK, Options: FlagOptions | FlagNetwork, GSI: session.GSI},
			"1d4c c001 08 03 0000 0a1b2c3d4e5f 0000",
		}, {
			"parity of packets of several lengths",
			Header{SourcePort: 0xc001, DestPort: 7500, Type: TypeRDATA, Options: FlagParity | FlagVarPktLen, GSI: session.GSI, TSDULength: 2},
			"c001 1d4c 05 c0 0000 0a1b2c3d4e5f 0002",
		},
	} {
		wire := unhex(t, tt.wire)
		if got := tt.h.Append(nil); !bytes.Equal(got, wire) {
			t.Errorf("%s: Append = %x, want %x", tt.name, got, wire)
		}
		Seal(wire)
		var got Header
		rest, err := got.Parse(wire)
		want := tt.h
		want.Checksum = uint16(wire[6])<<8 | uint16(wire[7])
		if err != nil || got != want || len(rest) != 0 {
			t.Errorf("%s: Parse = %+v, %d octets left, %v; want %+v", tt.name, got, len(rest), err, want)
		}
		for n := range wire {
			_, err := got.Parse(wire[:n])
			wantError(t, tt.name, err, ErrTruncated, NoType, 0)
		}
	}
}

func TestHeaderNamesTheSessionInBothDirections(t *testing.T) { // [3.1-02], [8.3-02]
	for typ := range types {
		h := Downstream(typ, session, 7500)
		if typ.IsUpstream() {
			h = Upstream(typ, session, 7500)
		}
		if h.TSI() != session || h.DataDestPort() != 7500 {
			t.Errorf("%v: TSI %v to port %d, want %v to 7500", typ, h.TSI(), h.DataDestPort(), session)
		}
	}
	if up := Upstream(TypeNAK, session, 7500); up.SourcePort != 7500 || up.DestPort != session.Port {
		t.Errorf("NAK: ports %d, %d; want those of the data the other way round", up.SourcePort, up.DestPort)
	}
}

func TestDirectionOfEveryType(t *testing.T) { // [8-06], [8.3-02]
	upstream := map[Type]bool{
		TypePOLR: true, TypeNAK: true, TypeNNAK: true, TypeSPMR: true, TypeReport: true, 0x0d: true, 0x0f: true,
	}
	for typ := range types {
		if got := typ.IsUpstream(); got != upstream[typ] {
			t.Errorf("%v: IsUpstream = %v", typ, got)
		}
		if got, want := typ.IsData(), typ == 4 || typ == 5; got != want {
			t.Errorf("%v: IsData = %v", typ, got)
		}
	}
}

func TestTypeIsNamed(t *testing.T) {
	for typ, want := range map[Type]string{
		0x00: "SPM", 0x01: "POLL", 0x02: "POLR", 0x04: "ODATA", 0x05: "RDATA", 0x08: "NAK", 0x09: "NNAK", 0x0a: "NCF", 0x0c: "SPMR",
		0x0e: "report", 0x03: "type 0x03", 0x0f: "type 0x0f", 0xff: "type 0xff",
	} {
		if got := typ.String(); got != want {
			t.Errorf("type %d is %q, want %q", typ, got, want)
		}
	}
}

func TestChecksumIsDemandedOfDataOnly(t *testing.T) { // [8-12], [8-13]
	for typ := range types {
		p := Header{Type: typ, GSI: session.GSI}.Append(nil)
		var h Header
		if _, err := h.Parse(p); typ.IsData() {
			wantError(t, "checksum 0", err, ErrChecksum, typ, 6)
		} else if err != nil {
			t.Errorf("%v with checksum 0: %v", typ, err)
		}
		Seal(p)
		if _, err := h.Parse(p); err != nil {
			t.Errorf("%v, sealed: %v", typ, err)
		}
		p[15-int(typ)%2*7] ^= 0x40 // in the TSDU length or the GSI
		_, err := h.Parse(p)
		wantError(t, "a bit turned", err, ErrChecksum, typ, 6)
	}
}

func TestSealedPacketIsRefusedWhenAnyOneBitTurns(t *testing.T) {
	body := unhex(t, "00000001 00000000 68656c6c6f")
	p := append(Header{SourcePort: 1, DestPort: 2, Type: TypeODATA, GSI: session.GSI, TSDULength: 5}.Append(nil), body...)
	Seal(p)
	var h Header
	if _, err := h.Parse(p); err != nil {
		t.Fatal(err)
	}
	for bit := range len(p) * 8 {
		p[bit/8] ^= 0x80 >> (bit % 8)
		if _, err := h.Parse(p); err == nil {
			t.Errorf("bit %d turned: no error", bit)
		}
		p[bit/8] ^= 0x80 >> (bit % 8)
	}
}

func TestPacketThatSumsToZeroIsSealedWithAllOnes(t *testing.T) { // [8-11]
	p := append(Header{Type: TypeSPM}.Append(nil), 0xff, 0xff)
	Seal(p)
	if p[6] != 0xff || p[7] != 0xff {
		t.Errorf("checksum %x, want ffff", p[6:8])
	}
	var h Header
	if _, err := h.Parse(p); err != nil {
		t.Error(err)
	}
}

func TestSealReplacesTheChecksum(t *testing.T) {
	p := append(Header{Type: TypeODATA, GSI: session.GSI, TSDULength: 0}.Append(nil), 1, 2, 3)
	Seal(p)
	once := bytes.Clone(p)
	Seal(p)
	if !bytes.Equal(p, once) {
		t.Errorf("sealed twice: %x, once: %x", p, once)
	}
}

func TestTypeOctet(t *testing.T) { // [8-04], [8-05]
	for octet := range 256 {
		p := Header{GSI: session.GSI}.Append(nil)
		p[4] = byte(octet)
		Seal(p)
		var h Header
		_, err := h.Parse(p)
		if octet&0xc0 != 0 {
			wantError(t, "version", err, ErrVersion, Type(octet&0x0f), 4)
		} else if err != nil || h.Type != Type(octet&0x0f) { // the reserved bits are not looked at, nor is the type
			t.Errorf("octet %#02x: %v, %v", octet, h.Type, err)
		}
	}
}

func TestOptionsOctet(t *testing.T) { // [8-07], [8-09]
	for octet := range 256 {
		p := Header{Options: Flags(octet), GSI: session.GSI}.Append(nil)
		Seal(p)
		var h Header
		_, err := h.Parse(p)
		if octet&0xc0 == 0x40 {
			wantError(t, "OPT_VAR_PKTLEN without OPT_PARITY", err, ErrReserved, TypeSPM, 5)
		} else if err != nil || h.Options != Flags(octet) {
			t.Errorf("octet %#02x: %#02x, %v", octet, h.Options, err)
		}
	}
}

func TestOnlyDataHasATSDU(t *testing.T) { // [8-17]
	for typ := range types {
		p := Header{Type: typ, TSDULength: 1}.Append(nil)
		Seal(p)
		var h Header
		if _, err := h.Parse(p); typ.IsData() != (err == nil) || err != nil && !errors.Is(err, ErrReserved) {
			t.Errorf("%v with TSDU Length 1: %v", typ, err)
		}
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Header{
			SourcePort: rapid.Uint16().Draw(t, "source port"),
			DestPort:   rapid.Uint16().Draw(t, "destination port"),
			Type:       Type(rapid.ByteRange(0, 15).Draw(t, "type")),
			Options:    Flags(rapid.SampledFrom([]byte{0, 1, 3, 0x80, 0xc0, 0x3c}).Draw(t, "options")),
		}
		copy(want.GSI[:], rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "GSI"))
		if want.Type.IsData() {
			want.TSDULength = rapid.Uint16().Draw(t, "TSDU length")
		}
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		p := append(want.Append(nil), body...)
		Seal(p)
		var got Header
		rest, err := got.Parse(p)
		want.Checksum = got.Checksum
		if err != nil || got != want || !bytes.Equal(rest, body) || got.Checksum == 0 {
			t.Fatalf("%+v, %x, %v; want %+v, %x", got, rest, err, want, body)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add(Downstream(TypeSPM, session, 7500).Append(nil))
	f.Add(Upstream(TypeNAK, session, 7500).Append([]byte{}))
	f.Fuzz(func(t *testing.T, p []byte) {
		var h Header
		body, err := h.Parse(p)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Error() == "" {
				t.Fatalf("%v is not an *Error", err)
			}
			return
		}
		again := append(h.Append(nil), body...)
		again[4] |= p[4] & 0x30 // the reserved bits are not kept
		if h.Checksum != 0 {
			Seal(again)
		}
		if !bytes.Equal(again, p) {
			t.Fatalf("%x becomes %x", p, again)
		}
	})
}
