//go:build !linux

package mroute

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
)

var errNone = errors.New("multicast routing is for Linux, not " + runtime.GOOS)

// ErrTaken is why a Table cannot be opened while another program has it.
var ErrTaken = errors.New("another program has the kernel's multicast routing")

// Table is for Linux.
type Table struct{}

// Open returns an error.
func Open([]*net.Interface) (*Table, error) { return nil, errNone }

// Set does nothing: there is no Table.
func (*Table) Set(Entry) error { return errNone }

// Delete does nothing: there is no Table.
func (*Table) Delete(_, _ netip.Addr) error { return errNone }

// Count does nothing: there is no Table.
func (*Table) Count(_, _ netip.Addr) (c Count, _ error) { return c, errNone }

// Read does nothing: there is no Table.
func (*Table) Read() (m Miss, _ error) { return m, errNone }

// Close does nothing: there is no Table.
func (*Table) Close() error { return errNone }

// Transit is for Linux.
type Transit struct{}

// OpenTransit returns an error.
func OpenTransit(int) (*Transit, error) { return nil, errNone }

// Run does nothing: there is no Transit.
func (*Transit) Run() error { return errNone }

// Count does nothing: there is no Transit.
func (*Transit) Count() uint64 { return 0 }

// Close does nothing: there is no Transit.
func (*Transit) Close() error { return errNone }

// Sampler is for Linux.
type Sampler struct{}

// OpenSampler returns an error.
func OpenSampler(*net.Interface, int, Kind) (*Sampler, error) { return nil, errNone }

// Read does nothing: there is no Sampler.
func (*Sampler) Read([]byte) (s Sample, _ error) { return s, errNone }

// Close does nothing: there is no Sampler.
func (*Sampler) Close() error { return errNone }

// Joined returns an error.
func Joined(netip.Addr) ([]string, error) { return nil, errNone }

// Queues is for Linux.
type Queues struct{}

// OpenQueues returns an error.
func OpenQueues() (*Queues, error) { return nil, errNone }

// Count returns an error.
func (*Queues) Count() (map[int]QueueCount, error) { return nil, errNone }

// Close does nothing: there is no Queues.
func (*Queues) Close() error { return errNone }
