package packet

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// list puts OPT_LENGTH with the right total in front of options.
func list(options ...[]byte) []byte {
	b := []byte{0, 4, 0, 0}
	for _, o := range options {
		b = append(b, o...)
	}
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	return b
}

// option returns one option of type t that says that it has length octets, and has, but for the two that say so; end sets OPT_END.
func option(t OptionType, length int, end bool) []byte {
	b := make([]byte, max(length, 2))
	b[0], b[1] = byte(t), byte(length)
	if end {
		b[0] |= optEnd
	}
	for i := 4; i < len(b); i++ {
		b[i] = byte(i)
	}
	return b
}

func TestOptionsOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		name  string
		typ   Type
		add   func(b []byte) []byte
		wire  string
		flags Flags
	}{
		{
			"OPT_FRAGMENT, 16 octets [9.2.4-01]", TypeODATA,
			func(b []byte) []byte { return Fragment{First: 8, Offset: 1400, Length: 4000}.AppendTo(b) },
			"0004 0014  81 10 00 00 00000008 00000578 00000fa0", FlagOptions,
		}, {
			"OPT_JOIN [9.4.3-01]", TypeSPM,
			func(b []byte) []byte { return AppendJoin(b, 0x01020304) },
			"0004 000c  83 08 00 00 01020304", FlagOptions,
		}, {
			"OPT_SYN [9.6.4-01]", TypeODATA,
			func(b []byte) []byte { return AppendOption(b, OptSyn, 0) },
			"0004 0008  8d 04 00 00", FlagOptions,
		}, {
			"OPT_FIN [9.7.4-01]", TypeSPM,
			func(b []byte) []byte { return AppendOption(b, OptFin, 0) },
			"0004 0008  8e 04 00 00", FlagOptions,
		}, {
			"OPT_RST with repair [9.8.4-01]", TypeSPM,
			func(b []byte) []byte { return Reset{Code: 5}.AppendTo(b) },
			"0004 0008  8f 04 00 05", FlagOptions,
		}, {
			"OPT_RST without repair [9.8.4-01]", TypeSPM,
			func(b []byte) []byte { return Reset{NoRepair: true, Code: 0x3f}.AppendTo(b) },
			"0004 0008  8f 04 00 7f", FlagOptions,
		}, {
			"OPT_NAK_LIST is network-significant [9.3.5-01]", TypeNAK,
			func(b []byte) []byte { return AppendOption(b, OptNAKList, 0, 0, 0, 0, 7) },
			"0004 000c  82 08 00 00 00000007", FlagOptions | FlagNetwork,
		}, {
			"two, OPT_END on the last [9-04]", TypeSPM,
			func(b []byte) []byte { return AppendOption(AppendJoin(b, 1), OptFin, 0) },
			"0004 0010  03 08 00 00 00000001  8e 04 00 00", FlagOptions,
		}, {
			"the network-significant before the others [9.1-03]", TypeSPM,
			func(b []byte) []byte { return AppendJoin(AppendOption(b, OptCRQST, 4), 1) },
			"0004 0010  11 04 00 04  83 08 00 00 00000001", FlagOptions | FlagNetwork,
		},
	} {
		header := Header{Type: tt.typ}.Append(nil)
		p := EndOptions(tt.add(BeginOptions(header)), HeaderLen)
		if got, want := p[HeaderLen:], unhex(t, tt.wire); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", tt.name, got, want)
		}
		if got := Flags(p[5]); got != tt.flags {
			t.Errorf("%s: Options octet %#02x, want %#02x", tt.name, got, tt.flags)
		}
		opts, rest, err := SplitOptions(&Header{Type: tt.typ, Options: tt.flags}, append(p[HeaderLen:], "rest"...), HeaderLen)
		if err != nil || !bytes.Equal(opts, p[HeaderLen:]) || string(rest) != "rest" {
			t.Errorf("%s: SplitOptions = %x, %q, %v", tt.name, opts, rest, err)
		}
		for n := range len(p) - HeaderLen {
			_, _, err := SplitOptions(&Header{Type: tt.typ, Options: tt.flags}, p[HeaderLen:HeaderLen+n], HeaderLen)
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: the first %d octets: %v, want ErrTruncated", tt.name, n, err)
			}
		}
	}
}

func TestListWithoutAnOptionIsTakenAway(t *testing.T) {
	header := Header{Type: TypeSPM}.Append(nil)
	if p := EndOptions(BeginOptions(bytes.Clone(header)), HeaderLen); !bytes.Equal(p, header) {
		t.Errorf("%x, want %x", p, header)
	}
}

func TestNetworkSignificance(t *testing.T) { // [8-07], [8-08]
	for _, tt := range []struct {
		typ  Type
		opt  OptionType
		want bool
	}{
		{TypeODATA, OptLength, false}, {TypeODATA, OptFragment, false}, {TypeNAK, OptNAKList, true}, {TypeSPM, OptJoin, false},
		{TypeSPM, OptNAKBOIvl, true}, {TypeSPM, OptNAKBORng, true}, {TypePOLR, OptRedirect, true}, {TypeSPM, OptParityPrm, true},
		{TypeODATA, OptParityGrp, false}, {TypeODATA, OptCurrTGSize, false}, {TypeRDATA, OptCurrTGSize, true},
		{TypeSPM, OptCurrTGSize, true}, {TypeNCF, OptNbrUnreach, true}, {TypeNCF, OptPathNLA, true}, {TypeODATA, OptSyn, false},
		{TypeSPM, OptFin, false}, {TypeSPM, OptRst, false}, {TypeNAK, OptCR, true}, {TypeSPM, OptCRQST, true}, {TypeSPM, 0x20, false},
	} {
		if got := NetworkSignificant(tt.typ, tt.opt); got != tt.want {
			t.Errorf("option %#02x on %v: %v, want %v", tt.opt, tt.typ, got, tt.want)
		}
	}
}

func TestOptionListIsMalformedWhen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		b      []byte
		kind   error
		offset int
	}{
		{"there is nothing", nil, ErrTruncated, 32},
		{"OPT_LENGTH is cut", unhex(t, "000400"), ErrTruncated, 32},
		{"it does not begin with OPT_LENGTH", unhex(t, "8d040000 8d040000"), ErrOption, 32},
		{"OPT_LENGTH bears OPT_END", unhex(t, "80040008 8d040000"), ErrOption, 32},
		{"OPT_LENGTH is not of four octets", unhex(t, "00050008 8d040000"), ErrOption, 32},
		{"the total is 0", unhex(t, "00040000 8d040000"), ErrOption, 36},
		{"the total is less than OPT_LENGTH", unhex(t, "00040003 8d040000"), ErrOption, 36},
		{"there is OPT_LENGTH alone", unhex(t, "00040004 8d040000"), ErrOption, 36},
		{"the total ends within an option's header", unhex(t, "00040007 8d040000"), ErrOption, 36},
		{"the total ends within an option", unhex(t, "0004000b 83080000 00000001"), ErrOption, 37},
		{"the total ends behind an option", unhex(t, "00040009 8d040000 00"), ErrOption, 40},
		{"the total exceeds the packet", unhex(t, "00040009 8d040000"), ErrTruncated, 34},
		{"the total is the largest", unhex(t, "0004ffff 8d040000"), ErrTruncated, 34},
		{"OPT_END is missing", unhex(t, "0004000c 0d040000 0e040000"), ErrOption, 44},
		{"OPT_END is early", unhex(t, "0004000c 8d040000 0e040000"), ErrOption, 40},
		{"OPT_END is double", unhex(t, "0004000c 8d040000 8e040000"), ErrOption, 40},
	} {
		_, _, err := SplitOptions(&Header{Type: TypeSPM, Options: FlagOptions}, tt.b, 32)
		wantError(t, tt.name, err, tt.kind, TypeSPM, tt.offset)
	}
}

func TestWithoutTheFlagThereIsNoList(t *testing.T) {
	b := unhex(t, "00040008 8d040000")
	opts, rest, err := SplitOptions(&Header{Type: TypeSPM, Options: FlagNetwork}, b, 32)
	if opts != nil || !bytes.Equal(rest, b) || err != nil {
		t.Errorf("%x, %x, %v", opts, rest, err)
	}
}

func TestAtMostSixteenOptions(t *testing.T) { // [9-08]
	for n := 1; n <= 40; n++ {
		var options [][]byte
		for i := range n {
			options = append(options, option(OptSyn, 4, i == n-1))
		}
		_, _, err := SplitOptions(&Header{Type: TypeODATA, Options: FlagOptions}, list(options...), 24)
		switch {
		case n <= MaxOptions && err != nil:
			t.Errorf("%d options: %v", n, err)
		case n > MaxOptions:
			wantError(t, fmt.Sprint(n, " options"), err, ErrOption, TypeODATA, 24+4+4*MaxOptions)
		}
	}
}

// [9-09], [9-10]: an option of whatever type and length is delimited by its length, whether anyone knows it or not; one that
// is shorter than its header or longer than what there is makes the packet malformed.
func TestEveryOptionLengthOfEveryTypeInEveryPlace(t *testing.T) {
	before, after := option(OptJoin, 8, false), option(OptFin, 4, true)
	for opt := range OptionType(128) {
		for length := range 256 {
			end := option(opt, length, true)
			for place, b := range [][]byte{
				list(option(opt, length, false), option(OptJoin, 8, false), after),
				list(before, option(opt, length, false), after),
				list(before, option(OptSyn, 4, false), end),
			} {
				wantEvery := length >= 4
				for typ := range types {
					h := &Header{Type: typ, Options: FlagOptions}
					opts, rest, err := SplitOptions(h, append(b, 0xff), 24)
					if wantEvery != (err == nil) || !wantEvery && !errors.Is(err, ErrOption) {
						t.Fatalf("%v, option %#02x of length %d in place %d: %v", typ, opt, length, place, err)
					}
					if err != nil {
						continue
					}
					if len(opts) != len(b) || len(rest) != 1 {
						t.Fatalf("%v, option %#02x of length %d in place %d: %d octets of options, %d behind", typ, opt, length, place, len(opts), len(rest))
					}
				}
				if wantEvery {
					n := 0
					for o, err := range Options(b) {
						if err != nil || n == place && (o.Type != opt || !bytes.Equal(o.Body, end[4:])) {
							t.Fatalf("option %#02x of length %d in place %d: %+v, %v", opt, length, place, o, err)
						}
						n++
					}
					if n != 3 {
						t.Fatalf("option %#02x of length %d in place %d: %d options, want 3", opt, length, place, n)
					}
				}
			}
		}
	}
}

// The same, but the option says another length than the eight octets that it has.
func TestEveryWrongOptionLength(t *testing.T) {
	for opt := range OptionType(128) {
		for length := range 256 {
			for _, last := range []bool{true, false} {
				o := option(opt, 8, last)
				o[1] = byte(length)
				b := list(option(OptSyn, 4, false), o)
				if !last {
					b = list(o, option(OptFin, 4, true))
				}
				for typ := range types {
					_, _, err := SplitOptions(&Header{Type: typ, Options: FlagOptions}, append(b, make([]byte, 300)...), 24)
					if (length == 8) != (err == nil) || err != nil && !errors.Is(err, ErrOption) {
						t.Fatalf("%v, option %#02x, last %v, length %d of 8: %v", typ, opt, last, length, err)
					}
				}
			}
		}
	}
}

func TestEveryTotalButItsOwnIsRefused(t *testing.T) {
	b := append(unhex(t, "00040010 03080000 00000001 8e040000"), make([]byte, 1<<16)...)
	for total := range 1 << 16 {
		b[2], b[3] = byte(total>>8), byte(total)
		_, _, err := SplitOptions(&Header{Type: TypeODATA, Options: FlagOptions}, b, 24)
		if (total == 16) != (err == nil) || err != nil && !errors.Is(err, ErrOption) {
			t.Fatalf("total %d of 16: %v", total, err)
		}
	}
}

func TestBitsOfAnOptionAreRead(t *testing.T) { // [9-03]
	for second := range 256 {
		for third := range 256 {
			b := list(option(0x20, 6, true))
			b[6], b[7] = byte(second), byte(third)
			n := 0
			for o, err := range Options(b) {
				n++
				if err != nil || o.Type != 0x20 || o.OPX != OPX(second&3) || o.F != (second&4 != 0) ||
					o.U != (third >= 128) || o.Flags != byte(third&0x7f) || !bytes.Equal(o.Body, []byte{4, 5}) {
					t.Fatalf("octets %#02x %#02x: %+v, %v", second, third, o, err)
				}
			}
			if n != 1 {
				t.Fatalf("%d options, want 1", n)
			}
		}
	}
}

// [9-06]: OPX is for network elements; to anyone else a packet is as good with an option marked "discard" as without.
func TestOPXDoesNotConcernTheEndOfThePath(t *testing.T) {
	for opx := range byte(4) {
		b := list(option(0x20, 4, false), option(OptFin, 4, true))
		b[6] |= opx
		opts, _, err := SplitOptions(&Header{Type: TypeSPM, Options: FlagOptions}, b, 32)
		if _, ok := FindOption(opts, OptFin); err != nil || !ok {
			t.Errorf("OPX %d: %v", opx, err)
		}
	}
}

func TestAnOptionMadeInvalidIsNotFound(t *testing.T) { // [9-06]
	opts := list(option(OptInvalid, 8, false), option(OptFin, 4, true))
	if o, ok := FindOption(opts, OptJoin); ok {
		t.Errorf("found %+v", o)
	}
	if _, ok := FindOption(opts, OptFin); !ok {
		t.Error("the option behind it is not found")
	}
}

func TestFindOptionFindsTheFirst(t *testing.T) {
	opts := list(AppendJoin(nil, 1), AppendJoin(nil, 2), option(OptFin, 4, true))
	o, ok := FindOption(opts, OptJoin)
	if min, err := ParseJoin(o); !ok || err != nil || min != 1 {
		t.Errorf("OPT_JOIN = %v, %v, %v; want 1", min, ok, err)
	}
	if _, ok := FindOption(nil, OptJoin); ok {
		t.Error("found in no list")
	}
}

func TestOptionsOfAMalformedListEndWithAnError(t *testing.T) {
	for _, wire := range []string{"00040000 8d", "00040000 8d0300", "00040000 8d030000", "00040000 8d050000", "00040000 0d040000 8dff0000"} {
		var last error
		n := 0
		for _, err := range Options(unhex(t, wire)) {
			last = err
			n++
		}
		if !errors.Is(last, ErrOption) || n > 2 {
			t.Errorf("%s: %v at the end of %d", wire, last, n)
		}
	}
	for range Options(list(option(OptSyn, 4, false), option(OptFin, 4, true))) {
		break // the sequence takes it
	}
}

func TestOptionsInTheWrongOrderArePanic(t *testing.T) { // [9.1-03]
	wantPanic(t, "network-significant last", func() {
		p := BeginOptions(Header{Type: TypeSPM}.Append(nil))
		EndOptions(AppendOption(AppendJoin(p, 1), OptCRQST, 0), HeaderLen)
	})
	wantPanic(t, "too long", func() { AppendOption(nil, 0x20, 0, make([]byte, MaxOptionBody+1)...) })
	if b := AppendOption(nil, 0x20, 0, make([]byte, MaxOptionBody)...); len(b) != 255 || b[1] != 255 {
		t.Errorf("the longest option: %d octets, says %d", len(b), b[1])
	}
}

func TestOptionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := Type(rapid.ByteRange(0, 15).Draw(t, "packet type"))
		p := BeginOptions(Header{Type: typ}.Append(nil))
		var want []Option
		for range rapid.IntRange(1, MaxOptions).Draw(t, "options") {
			o := Option{
				Type:  OptionType(rapid.ByteRange(0x20, 0x7f).Draw(t, "type")),
				Flags: rapid.ByteRange(0, 0x7f).Draw(t, "flags"),
				Body:  rapid.SliceOfN(rapid.Byte(), 0, MaxOptionBody).Draw(t, "body"),
			}
			p, want = AppendOption(p, o.Type, o.Flags, o.Body...), append(want, o)
		}
		p = EndOptions(p, HeaderLen)
		opts, _, err := SplitOptions(&Header{Type: typ, Options: Flags(p[5])}, p[HeaderLen:], HeaderLen)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for o, err := range Options(opts) {
			if w := want[i]; err != nil || o.Type != w.Type || o.Flags != w.Flags || !bytes.Equal(o.Body, w.Body) || o.OPX != 0 || o.F || o.U {
				t.Fatalf("option %d: %+v, %v; want %+v", i, o, err, w)
			}
			i++
		}
		if i != len(want) {
			t.Fatalf("%d options, want %d", i, len(want))
		}
	})
}

func FuzzOptions(f *testing.F) {
	f.Add(byte(TypeSPM), list(AppendJoin(nil, 1), option(OptFin, 4, true)))
	f.Add(byte(TypeNAK), list(option(OptNAKList, 4+4*62, true)))
	f.Add(byte(TypeODATA), list(option(OptInvalid, 255, false), option(0x20, 255, false), option(OptSyn, 4, true)))
	f.Add(byte(TypeODATA), []byte{0, 4, 0, 0, 0x8d, 0, 0, 0})
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		h := &Header{Type: Type(typ & 0x0f), Options: FlagOptions}
		opts, rest, err := SplitOptions(h, b, 24)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 24 || e.Offset > 24+len(b) {
				t.Fatalf("%v is not an *Error at a place in the list", err)
			}
			return
		}
		if !bytes.Equal(append(bytes.Clone(opts), rest...), b) {
			t.Fatalf("%x and %x are not %x", opts, rest, b)
		}
		again, n := BeginOptions(nil), 0
		for o, err := range Options(opts) {
			if err != nil {
				t.Fatalf("SplitOptions took what Options refuses: %v", err)
			}
			at := len(again)
			again = AppendOption(again, o.Type, o.Flags, o.Body...)
			again[at+2] = opts[at+2] // F, OPX and the reserved bits are not for AppendOption to write
			again[at+3] |= opts[at+3] & 0x80
			n++
			if first, ok := FindOption(opts, o.Type); !ok || first.Type != o.Type {
				t.Fatalf("option %#02x is not found", o.Type)
			}
			if o.Type == OptJoin {
				if _, err := ParseJoin(o); (err == nil) != (len(o.Body) == 4) {
					t.Fatalf("OPT_JOIN with %d octets: %v", len(o.Body), err)
				}
			}
		}
		if n == 0 || n > MaxOptions {
			t.Fatalf("%d options", n)
		}
		again[2], again[3] = byte(len(again)>>8), byte(len(again))
		for at := 4; at < len(again); at += int(again[at+1]) {
			if at+int(again[at+1]) == len(again) {
				again[at] |= optEnd
			}
		}
		if !bytes.Equal(again, opts) {
			t.Fatalf("%x becomes %x", opts, again)
		}
	})
}

func ExampleOptions() {
	// an SPM that says that the session is over, and where late receivers may begin
	p := BeginOptions(Downstream(TypeSPM, TSI{Port: 7500}, 7500).Append(nil))
	p = AppendJoin(p, 42)
	p = AppendOption(p, OptFin, 0)
	p = EndOptions(p, HeaderLen)
	Seal(p)

	var h Header
	body, err := h.Parse(p)
	if err != nil {
		fmt.Println(err)
		return
	}
	opts, _, err := SplitOptions(&h, body, HeaderLen)
	if err != nil {
		fmt.Println(err)
		return
	}
	for o := range Options(opts) {
		switch o.Type {
		case OptJoin:
			oldest, err := ParseJoin(o)
			fmt.Println("OPT_JOIN", oldest, err)
		case OptFin:
			fmt.Println("OPT_FIN")
		}
	}
	// Output:
	// OPT_JOIN 42 <nil>
	// OPT_FIN
}
