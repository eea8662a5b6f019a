package transfer

import (
	"errors"
	"os"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// parity is what an inbox does for groups to be decoded. What has come is not kept in memory for it: a group that lacks something is read back
// from the files, which finds it in the page cache. Only records, which are in no file, are kept as they came, and what came before its record.
type parity struct {
	used    bool // the session has parity
	records map[packet.SQN]fec.Original
	early   []packet.SQN // those of records that are no parts of a record
	octets  int
	spare   chan *group // that were decoded, to be used again
}

// group is a group that is to be decoded, and where its packets are.
type group struct {
	job     *fec.Job
	first   packet.SQN
	origins []origin
}

// origin says where a packet is: in a file, in the digest of one, or here.
type origin struct {
	part     *part // nil: it is here, or nowhere
	block    uint32
	original fec.Original
	here     bool
}

const maxSpareGroups = 16

var _ receiver.Decoder = (*inbox)(nil)

// Decode hands a group to the writer, behind all that the session has brought: so what it is computed from is in the files by then. Where what
// was recorded is replayed, nothing that follows waits for what is computed, so this does.
func (in *inbox) Decode(j *fec.Job) bool {
	if in.parity.used = true; j == nil {
		return true
	}
	g := in.locate(j)
	if in.writer == nil || in.ended { // there is nothing but records yet
		_, size := j.Group()
		_ = decodeGroup(newGroupDecoder(size), g, nil)
		in.giveBack(g)
		return true
	}
	w := in.work()
	w.groups = append(w.groups, g)
	if !in.anew {
		return true
	}
	done := make(chan struct{})
	w.done, in.job = done, nil
	in.writer.jobs <- w
	<-done
	in.giveBack(g)
	return true
}

// locate finds out where the packets of a group are.
func (in *inbox) locate(j *fec.Job) *group {
	var g *group
	select {
	case g = <-in.parity.spare:
	default:
		g = new(group)
	}
	tg, size := j.Group()
	g.job, g.first, g.origins = j, tg, g.origins[:0]
	for i := range size {
		g.origins = append(g.origins, in.origin(tg+packet.SQN(i)))
	}
	return g
}

// origin finds out where the packet s is.
func (in *inbox) origin(s packet.SQN) origin {
	if o, ok := in.parity.records[s]; ok {
		return origin{original: o, here: true}
	}
	p := in.layout.find(s)
	if p == nil || !p.objects {
		return origin{}
	}
	seg := in.segments[p.m.Index]
	if len(seg.parts) == 0 {
		return origin{}
	}
	part := seg.parts[seg.m.find(s)]
	if part == nil {
		return origin{}
	}
	return origin{part: part, block: uint32(s - part.o.First)}
}

// keepRecord keeps a part of a record that was taken.
func (in *inbox) keepRecord(d *receiver.Data) {
	p := &in.parity
	if _, ok := p.records[d.SQN]; ok || p.octets+len(d.TSDU) > maxRecords {
		return
	}
	if p.records == nil {
		p.records = make(map[packet.SQN]fec.Original)
	}
	p.octets += len(d.TSDU)
	p.records[d.SQN] = fec.Original{TSDU: append([]byte(nil), d.TSDU...), Fragment: d.Fragment}
}

// maxEarlyPackets bounds what is kept for want of a record: two of the largest groups.
const maxEarlyPackets = 2 * fec.MaxGroup

// keepEarly keeps a packet of which nothing is known yet, where there is parity: then its group can be decoded, and that may bring the record
// that is missing. Otherwise a packet that is lost at the very beginning would cost a receiver that cannot ask all of the first round.
func (in *inbox) keepEarly(d *receiver.Data) bool {
	p := &in.parity
	if !p.used || len(p.early) >= maxEarlyPackets {
		return false
	}
	n := len(p.records)
	if in.keepRecord(d); len(p.records) == n {
		return false
	}
	p.early = append(p.early, d.SQN)
	return true
}

// takeEarly takes what was kept, as far as it is known by now.
func (in *inbox) takeEarly() {
	p := &in.parity
	early := p.early
	p.early = nil
	for _, s := range early {
		if !in.all && in.layout.find(s) == nil {
			p.early = append(p.early, s)
			continue
		}
		o := p.records[s]
		delete(p.records, s)
		p.octets -= len(o.TSDU)
		in.Data(receiver.Data{SQN: s, TSDU: o.TSDU, Fragment: o.Fragment})
	}
}

// giveBack hands a group that was decoded to the session, which delivers what came of it.
func (in *inbox) giveBack(g *group) {
	if !in.ended {
		in.decoded = true
		in.session.Decoded(time.Time{}, g.job)
		in.decoded = false
	}
	g.job = nil
	clear(g.origins)
	select {
	case in.parity.spare <- g:
	default:
	}
}

// newGroupDecoder returns a decoder for groups of up to size packets.
func newGroupDecoder(size int) *fec.Decoder {
	k := fec.Size(fec.MinGroup)
	for int(k) < size {
		k *= 2
	}
	return fec.NewDecoder(k)
}

var errNotHere = errors.New("transfer: not in a file")

// decodeGroup decodes g. w is nil where nothing is in files yet.
func decodeGroup(d *fec.Decoder, g *group, w *writer) error {
	return d.Decode(g.job, func(s packet.SQN, room []byte) (fec.Original, bool) {
		o := &g.origins[s-g.first]
		switch {
		case o.here:
			return o.original, true
		case o.part == nil || w == nil:
			return fec.Original{}, false
		}
		data, err := w.read(o.part, o.block, room)
		return fec.Original{TSDU: data}, err == nil
	})
}

// decode decodes a group whose packets are in the files by now, and has the loop take it back.
func (w *writer) decode(g *group) {
	if w.decoder == nil {
		w.decoder = fec.NewDecoder(fec.MaxGroup)
	}
	_ = decodeGroup(w.decoder, g, w) // the Job has it
	if in := w.in; !in.anew {
		in.do(func() { in.giveBack(g) })
	}
}

// read reads what the packet of a block of p, or of its digest, holds.
func (w *writer) read(p *part, block uint32, room []byte) ([]byte, error) {
	if block == p.n {
		digest, ok := w.verify.digestOf(p)
		if !ok {
			return nil, errNotHere
		}
		return appendDigest(room[:0], uint32(p.index), p.o.Size, &digest), nil
	}
	size := p.o.blockLen(block, p.block)
	if !p.held.has(block) || size > len(room) {
		return nil, errNotHere
	}
	f, err := w.fileOf(p)
	if err != nil {
		return nil, err
	}
	return room[:size], readFull(f, room[:size], int64(block)*int64(p.block))
}

// fileOf returns the file that the blocks of p are in: it is unfinished, or has its final name already. It is good until the next call.
func (w *writer) fileOf(p *part) (*os.File, error) {
	if p.opened && !p.existing && !p.held.full() {
		return w.file(p)
	}
	if w.readPart == p {
		return w.readFile, nil
	}
	f, err := w.dest.openFile(p.partName(), os.O_RDONLY)
	if err != nil {
		f, err = w.dest.openFile(p.o.Name, os.O_RDONLY)
	}
	if err != nil {
		return nil, err
	}
	w.dropRead()
	w.readPart, w.readFile = p, f
	return f, nil
}

func (w *writer) dropRead() {
	if w.readFile != nil {
		w.readFile.Close()
	}
	w.readPart, w.readFile = nil, nil
}

// digestOf returns the digest that the source sent for p.
func (v *verifier) digestOf(p *part) ([32]byte, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return p.digest, p.hasDigest
}

// mute has the receiver send nothing for the session, whose source would not hear it.
func (in *inbox) mute() {
	in.patient = true
	in.session.Silent()
	in.deafen()
}
