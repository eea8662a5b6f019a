package element

import (
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// ODATA that the kernel has forwarded is not forwarded again, and moves the window in which receivers may ask [7.3-03].
func TestPassedDataMovesTheWindow(t *testing.T) {
	e := opened(t, testConfig(), "10")
	ask := words{}.request(t, packet.TypeNAK, "50000")
	if err := e.HandlePacket(start, fromChild(1, 9), ask); err == nil {
		t.Fatal("what the source has not sent is asked for")
	}
	passed := fromSource
	passed.Passed = true
	if err := e.HandlePacket(start, passed, words{}.data(t, packet.TypeODATA, "49900")); err != nil {
		t.Fatal(err)
	}
	if sent := drain(t, e.PollTransmit, start); len(sent) != 0 || e.Stats().ODATA != 0 {
		t.Errorf("%d packets are sent", len(sent))
	}
	if err := e.HandlePacket(start, fromChild(1, 9), ask); err != nil {
		t.Error(err)
	}
	astray := passed
	astray.Interface = 1
	if err := e.HandlePacket(start, astray, words{}.data(t, packet.TypeODATA, "90000")); err == nil {
		t.Error("data by a way that does not lead to the source is believed")
	}
}
