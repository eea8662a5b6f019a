package conformance

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// A story is a capture in words: a line for each packet, or for several that are alike.
//
//	MS[+STEPxTIMES] TYPE NUMBERS [WORD [VALUE]]...
//
// A number that ends in ++ grows by one from each of several packets to the next. Numbers are: of an SPM its SPM_SQN and TRAIL..LEAD, of
// data its SQN, of NAKs and NCFs the SQN and its list. The words are fields and options; poke OFFSET HEX writes octets, flip OFFSET HEX
// inverts their bits, and cut and pad change the length, before the checksum is made; spoil OFFSET HEX writes after it.
type story string

var (
	sourceAddr = netip.MustParseAddr("10.0.0.1")
	readerAddr = netip.MustParseAddr("10.0.0.2")
	groupAddr  = netip.MustParseAddr("239.192.77.71")
	storyGroup = netip.AddrPortFrom(groupAddr, udpPort)
	storyBegin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	storyTSI   = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000}
)

const udpPort = 7500

// draw returns the packets of the story.
func (s story) draw(t testing.TB) []pcap.Packet {
	t.Helper()
	var all []pcap.Packet
	for line := range strings.Lines(string(s)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		when, times, _ := strings.Cut(words[0], "x")
		n := 1
		if times != "" {
			n = int(number(t, times, 0))
		}
		begin, step, _ := strings.Cut(when, "+")
		for i := range n {
			ms := decimal(t, begin)
			if step != "" {
				ms += float64(i) * decimal(t, step)
			}
			p := line1(t, words[1:], i)
			p.Time = storyBegin.Add(time.Duration(ms * float64(time.Millisecond)))
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b pcap.Packet) int { return a.Time.Compare(b.Time) })
	for i := range all {
		all[i].Number = i + 1
	}
	return all
}

func decimal(t testing.TB, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("story: %v", err)
	}
	return f
}

func number(t testing.TB, s string, i int) uint32 {
	t.Helper()
	s, grows := strings.CutSuffix(s, "++")
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		t.Fatalf("story: %v", err)
	}
	if grows {
		n += uint64(i)
	}
	return uint32(n)
}

// line1 returns the packet that the words say, the i-th that they do.
func line1(t testing.TB, words []string, i int) pcap.Packet {
	t.Helper()
	kind := words[0]
	words = words[1:]
	next := func() string {
		if len(words) == 0 {
			t.Fatalf("story: a %s without what it needs", kind)
		}
		w := words[0]
		words = words[1:]
		return w
	}
	num := func() uint32 { return number(t, next(), i) }
	p := pcap.Packet{
		Src: netip.AddrPortFrom(sourceAddr, udpPort), Dst: netip.AddrPortFrom(groupAddr, udpPort), TTL: 16, UDP: true,
	}
	var b, list []byte
	typ := map[string]packet.Type{
		"spm": packet.TypeSPM, "odata": packet.TypeODATA, "rdata": packet.TypeRDATA, "nak": packet.TypeNAK, "nnak": packet.TypeNNAK,
		"ncf": packet.TypeNCF, "spmr": packet.TypeSPMR, "poll": packet.TypePOLL, "polr": packet.TypePOLR,
	}[kind]
	h := packet.Downstream(typ, storyTSI, udpPort)
	if typ.IsUpstream() {
		h = packet.Upstream(typ, storyTSI, udpPort)
		p.Src, p.Dst = netip.AddrPortFrom(readerAddr, udpPort), netip.AddrPortFrom(sourceAddr, udpPort)
	}
	var s spm.Packet
	var d packet.Data
	var k nak.Packet
	var q poll.Packet
	switch typ {
	case packet.TypeSPM:
		s = spm.Packet{SQN: packet.SQN(num()), Path: sourceAddr}
		trail, lead, _ := strings.Cut(next(), "..")
		s.Trail, s.Lead = packet.SQN(number(t, trail, i)), packet.SQN(number(t, lead, i))
	case packet.TypeODATA, packet.TypeRDATA:
		d = packet.Data{SQN: packet.SQN(num()), Trail: 1}
		d.TSDU = dataOfPacket(d.SQN)
	case packet.TypePOLL, packet.TypePOLR:
		q = poll.Packet{SQN: packet.SQN(num()), Round: uint16(num()), Path: sourceAddr, BackOff: 50 * time.Millisecond}
		q.Rand = uint32(q.SQN)<<16 + uint32(q.Round) + 1
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		k = nak.Packet{SQN: packet.SQN(num()), Source: sourceAddr, Group: groupAddr}
		for len(words) > 0 && words[0][0] >= '0' && words[0][0] <= '9' {
			k.List = append(k.List, packet.SQN(num()))
		}
	}
	option := func(t packet.OptionType, flags byte, body ...byte) {
		list = packet.AppendOption(list, t, flags, body...)
	}
	if len(k.List) > 0 {
		var body []byte
		for _, n := range k.List {
			body = binary.BigEndian.AppendUint32(body, uint32(n))
		}
		option(packet.OptNAKList, 0, body...)
	}
	var encoded func() []byte
	parts := map[packet.SQN]packet.Fragment{} // of the group that is encoded
	part := func() packet.Fragment {
		first, rest, _ := strings.Cut(next(), "+")
		offset, length, _ := strings.Cut(rest, "/")
		return packet.Fragment{First: packet.SQN(number(t, first, i)), Offset: number(t, offset, i), Length: number(t, length, i)}
	}
	var before, after []func([]byte) []byte
	poke := func(flip bool) func([]byte) []byte {
		at, v := num(), next()
		raw, err := hex.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		return func(b []byte) []byte {
			if flip {
				subtle.XORBytes(b[at:], b[at:], raw)
			} else {
				copy(b[at:], raw)
			}
			return b
		}
	}
	for len(words) > 0 {
		switch w := next(); w {
		case "trail":
			d.Trail = packet.SQN(num())
		case "data":
			d.TSDU = []byte(next())
		case "size":
			d.TSDU = make([]byte, num())
		case "path":
			s.Path = netip.MustParseAddr(next())
			q.Path = s.Path
		case "rand":
			q.Rand = num()
		case "mask":
			q.Mask = num()
		case "bo":
			q.BackOff = time.Duration(num()) * time.Millisecond
		case "subtype":
			q.Subtype = poll.Subtype(num())
		case "source":
			k.Source = netip.MustParseAddr(next())
		case "group":
			k.Group = netip.MustParseAddr(next())
		case "from":
			p.Src = netip.AddrPortFrom(netip.MustParseAddr(next()), udpPort)
		case "to":
			p.Dst = netip.AddrPortFrom(netip.MustParseAddr(next()), udpPort)
		case "port":
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), uint16(num()))
		case "tsi":
			v := uint16(num())
			if typ.IsUpstream() {
				h.DestPort = v
			} else {
				h.SourcePort = v
			}
		case "ttl":
			p.TTL = int(num())
		case "ip":
			p.UDP = false
			p.Src, p.Dst = netip.AddrPortFrom(p.Src.Addr(), 0), netip.AddrPortFrom(p.Dst.Addr(), 0)
		case "alert":
			p.RouterAlert = true
		case "parity":
			h.Options |= packet.FlagParity
		case "var":
			h.Options |= packet.FlagVarPktLen
		case "encode": // SIZE of groups, packets of this one, number: the parity packet of the story's data
			k, size, j := fec.Size(num()), int(num()), int(num())
			encoded = func() []byte {
				e := fec.NewEncoder(k, 100)
				e.Begin(k.Group(d.SQN), size)
				for n := range size {
					q := k.Group(d.SQN) + packet.SQN(n)
					e.Set(n, fec.Original{TSDU: dataOfPacket(q), Fragment: parts[q]})
				}
				return e.Append(nil, h, d.Trail, j)
			}
		case "part": // packet, fragment: what OPT_FRAGMENT of a packet that is encoded says
			n := packet.SQN(num())
			parts[n] = part()
		case "prm":
			k, flags := num(), byte(num())
			option(packet.OptParityPrm, flags, binary.BigEndian.AppendUint32(nil, k)...)
		case "grp":
			option(packet.OptParityGrp, 0, binary.BigEndian.AppendUint32(nil, num())...)
		case "tgsize":
			option(packet.OptCurrTGSize, 0, binary.BigEndian.AppendUint32(nil, num())...)
		case "fin":
			option(packet.OptFin, 0)
		case "syn":
			option(packet.OptSyn, 0)
		case "rst":
			option(packet.OptRst, byte(num()))
		case "join":
			option(packet.OptJoin, 0, binary.BigEndian.AppendUint32(nil, num())...)
		case "fragment":
			list = part().AppendTo(list)
		case "option":
			raw, err := hex.DecodeString(next())
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, raw...)
		case "poke":
			before = append(before, poke(false))
		case "flip":
			before = append(before, poke(true))
		case "spoil":
			after = append(after, poke(false))
		case "cut":
			n := num()
			before = append(before, func(b []byte) []byte { return b[:len(b)-int(n)] })
		case "pad":
			n := num()
			before = append(before, func(b []byte) []byte { return append(b, make([]byte, n)...) })
		default:
			t.Fatalf("story: what is %q?", w)
		}
	}
	h.TSDULength = uint16(len(d.TSDU))
	b = h.Append(nil)
	tail := []byte(nil)
	switch {
	case typ == packet.TypeSPM:
		b = s.Append(b)
	case typ.IsData():
		tail, d.TSDU = d.TSDU, nil
		b = d.Append(b)
	case typ == packet.TypePOLL:
		b = q.Append(b)
	case typ == packet.TypePOLR:
		b = poll.Reply{SQN: q.SQN, Round: q.Round}.Append(b)
	case typ != packet.TypeSPMR:
		b = binary.BigEndian.AppendUint32(b, uint32(k.SQN))
		b = packet.AppendNLA(packet.AppendNLA(b, k.Source), k.Group)
	}
	if len(list) > 0 {
		b = frameOptions(b, list)
	}
	b = append(b, tail...)
	if encoded != nil {
		b = encoded()
	}
	for _, f := range before {
		b = f(b)
	}
	packet.Seal(b)
	for _, f := range after {
		b = f(b)
	}
	p.Data, p.Length = b, len(b)
	return p
}

// dataOfPacket is what data packet n has, unless the story says otherwise.
func dataOfPacket(n packet.SQN) []byte { return fmt.Appendf(nil, "data of packet %d", n) }

// frameOptions appends the list as packet.EndOptions would, whatever its order.
func frameOptions(b, list []byte) []byte {
	at := len(b)
	b = append(packet.BeginOptions(b), list...)
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	last := at + 4
	b[5] |= byte(packet.FlagOptions)
	for i := at + 4; i < len(b) && b[i+1] >= 4; i += int(b[i+1]) {
		last = i
		if packet.NetworkSignificant(packet.Type(b[4]&0x0f), packet.OptionType(b[i]&0x7f)) {
			b[5] |= byte(packet.FlagNetwork)
		}
	}
	b[last] |= 0x80
	return b
}

// capture returns the packets as a pcapng file.
func capture(t testing.TB, packets []pcap.Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// judge checks a capture.
func judge(t testing.TB, c Config, file []byte) *Verdict {
	t.Helper()
	r, err := pcap.OpenConfig(bytes.NewReader(file), pcap.Config{Ports: []uint16{udpPort}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Check(r.Read)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tell checks packets without a file.
func tell(t testing.TB, c Config, packets []pcap.Packet) *Verdict {
	t.Helper()
	i := 0
	v, err := c.Check(func(p *pcap.Packet) error {
		if i == len(packets) {
			return io.EOF
		}
		*p = packets[i]
		i++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
