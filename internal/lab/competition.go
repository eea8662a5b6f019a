//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

const (
	tcpPort = "5201"
	// tcpHeadStart is for how long the flows have the uplink for themselves.
	tcpHeadStart = 2 * time.Second
	// tcpListens is how long the receiver of the flows may take to listen.
	tcpListens = 300 * time.Millisecond
	// tcpLongest bounds the flows, should nobody stop them.
	tcpLongest = 10 * time.Minute
)

// tcpFlows are TCP connections (iperf3) from the sender's host to the first receiver's, which send as fast as they can.
type tcpFlows struct {
	flows          int
	client, server *process
	began          time.Time
}

// startTCPFlows starts n flows with a congestion control that the kernel knows, and gives them time to take the uplink.
func startTCPFlows(ctx context.Context, r *rig, n int, law, logs string) (*tcpFlows, error) {
	f := &tcpFlows{flows: n}
	var err error
	if f.server, err = startProcess("tcp receiver", r.hosts[1], filepath.Join(logs, "tcp-receiver"),
		[]string{"iperf3", "-s", "-1", "-p", tcpPort}); err != nil {
		return nil, err
	}
	pause(ctx, tcpListens)
	if f.client, err = startProcess("tcp sender", r.hosts[0], filepath.Join(logs, "tcp-sender"), []string{"iperf3", "-c", hostAddr(1),
		"-p", tcpPort, "-C", law, "-P", strconv.Itoa(n), "-i", "0.1", "-t", strconv.Itoa(int(tcpLongest.Seconds())), "-J"}); err != nil {
		f.server.stop()
		return nil, err
	}
	f.began = f.client.started
	pause(ctx, tcpHeadStart)
	if f.client.exited() {
		f.stop()
		return nil, fmt.Errorf("iperf3: %s", f.client.lastWords())
	}
	return f, nil
}

// stop ends the flows; iperf3 prints what it measured when it is asked to end.
func (f *tcpFlows) stop() {
	f.client.stop()
	f.server.stop()
}

// average returns what one flow had between two times, in Mbit/s.
func (f *tcpFlows) average(from, to time.Time) float64 {
	all, err := parseTCP(f.client.output(), from.Sub(f.began).Seconds(), to.Sub(f.began).Seconds())
	if err != nil {
		return 0
	}
	return all / float64(f.flows)
}

// parseTCP sums up iperf3's intervals that lie between two times, in seconds since its start, as Mbit/s.
func parseTCP(text []byte, from, to float64) (float64, error) {
	var out struct {
		Intervals []struct {
			Sum struct {
				Start float64 `json:"start"`
				End   float64 `json:"end"`
				Bytes float64 `json:"bytes"`
			} `json:"sum"`
		} `json:"intervals"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return 0, fmt.Errorf("iperf3: %w", err)
	}
	var octets, seconds float64
	for _, i := range out.Intervals {
		if i.Sum.Start >= from && i.Sum.End <= to {
			octets += i.Sum.Bytes
			seconds += i.Sum.End - i.Sum.Start
		}
	}
	if seconds == 0 {
		return 0, fmt.Errorf("iperf3: no interval between %.1f s and %.1f s", from, to)
	}
	return octets * 8 / 1e6 / seconds, nil
}
