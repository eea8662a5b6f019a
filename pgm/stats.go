package pgm

import (
	"sync"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// SenderStats counts what a source did since it began.
type SenderStats struct {
	source.Stats
	Socket SocketStats
}

// ReceiverStats counts what a receiver saw and did since it began, all its sources together.
type ReceiverStats struct {
	receiver.Stats
	Dropped uint64 // datagrams that Config.Drop discarded
	Strays  uint64 // packets for the sources on this host, which a receiver without UDP ports hears too
	Socket  SocketStats
}

// SocketStats counts what went through the sockets of a source or a receiver.
type SocketStats struct {
	Drops          uint64 // datagrams that the kernel dropped because a receive buffer was full
	Reads, Writes  uint64 // system calls that moved something
	ReadDatagrams  uint64
	WriteDatagrams uint64
	ReadBytes      uint64 // payload of UDP or IP, in octets
	WriteBytes     uint64
	WriteErrors    uint64 // system calls that failed
	GSO, GRO       bool   // whether the kernel splits what is sent, and joins what is received
	RecvBuffer     int    // octets that the kernel granted
	SendBuffer     int
}

func socketStats(s netio.Stats) SocketStats {
	return SocketStats{
		Drops: s.Drops, Reads: s.Reads, Writes: s.Writes, ReadDatagrams: s.ReadDatagrams, WriteDatagrams: s.WriteDatagrams,
		ReadBytes: s.ReadBytes, WriteBytes: s.WriteBytes, WriteErrors: s.WriteErrors, GSO: s.GSO, GRO: s.GRO,
		RecvBuffer: s.RecvBuffer, SendBuffer: s.SendBuffer,
	}
}

// snapshot is a value that one goroutine renews and others read.
type snapshot[T any] struct {
	mu    sync.Mutex
	value T
}

func (s *snapshot[T]) set(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

func (s *snapshot[T]) get() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}
