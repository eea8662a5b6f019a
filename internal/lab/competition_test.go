//go:build linux

package main

import "testing"

func TestFlowsAreMeasuredWhileTheTransferLasts(t *testing.T) {
	const text = `{"intervals":[
		{"sum":{"start":0,"end":1,"bytes":125000000}},
		{"sum":{"start":1,"end":2,"bytes":62500000}},
		{"sum":{"start":2,"end":3,"bytes":37500000}},
		{"sum":{"start":3,"end":4,"bytes":125000000}}]}`
	got, err := parseTCP([]byte(text), 0.9, 3.1)
	if err != nil || got != 400 {
		t.Errorf("got %v Mbit/s, %v; want 400", got, err)
	}
	if _, err := parseTCP([]byte(text), 10, 11); err == nil {
		t.Error("no interval, and no error")
	}
	if _, err := parseTCP([]byte("iperf3: error"), 0, 1); err == nil {
		t.Error("no JSON, and no error")
	}
}
