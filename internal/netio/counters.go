package netio

import "sync/atomic"

// counters are the parts of Stats that an implementation counts itself, once for each system call.
type counters struct {
	drops, reads, writes          atomic.Uint64
	readDatagrams, writeDatagrams atomic.Uint64
	readBytes, writeBytes         atomic.Uint64
	writeErrors                   atomic.Uint64
}

func (c *counters) read(datagrams, bytes int) {
	c.reads.Add(1)
	c.readDatagrams.Add(uint64(datagrams))
	c.readBytes.Add(uint64(bytes))
}

func (c *counters) wrote(datagrams, bytes int) {
	c.writes.Add(1)
	c.writeDatagrams.Add(uint64(datagrams))
	c.writeBytes.Add(uint64(bytes))
}

// stats copies the counters into a Stats whose other fields are to be filled in.
func (c *counters) stats() Stats {
	return Stats{
		Drops: c.drops.Load(), Reads: c.reads.Load(), Writes: c.writes.Load(),
		ReadDatagrams: c.readDatagrams.Load(), WriteDatagrams: c.writeDatagrams.Load(),
		ReadBytes: c.readBytes.Load(), WriteBytes: c.writeBytes.Load(),
		WriteErrors: c.writeErrors.Load(),
	}
}
