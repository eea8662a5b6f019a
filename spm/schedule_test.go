package spm

import (
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// play runs a schedule for a while: SPMs leave when they are due, data at the given times. It returns when SPMs left.
func play(s *Schedule, until time.Duration, data ...time.Duration) (left []time.Duration) {
	for now := start; now.Sub(start) <= until; {
		if s.Due(now) {
			left = append(left, now.Sub(start))
			s.Sent(now)
		}
		next := s.Next()
		if len(data) > 0 && !next.Before(start.Add(data[0])) {
			next, data = start.Add(data[0]), data[1:]
			s.DataSent(next)
		}
		now = next
	}
	return left
}

func want(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("SPMs at %v, want %v", got, want)
	}
}

// IHB_TMR is IHB_MIN after data, and doubles at each heartbeat up to IHB_MAX [5.1.5-01], [5.1.5-03].
func TestHeartbeatDecays(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: time.Hour, IHBMin: 100 * ms, IHBMax: 800 * ms}, start)
	want(t, play(s, 4*time.Second), 0, 100*ms, 300*ms, 700*ms, 1500*ms, 2300*ms, 3100*ms, 3900*ms)
}

// Each data packet puts the heartbeat off, and has it begin anew [5.1.5-02].
func TestDataRestartsHeartbeat(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: time.Hour, IHBMin: 100 * ms, IHBMax: 800 * ms}, start)
	want(t, play(s, 1600*ms, 50*ms, 140*ms, 230*ms, 1000*ms), 0, 330*ms, 530*ms, 930*ms, 1100*ms, 1300*ms)
}

// The ambient interval counts real time, under continuous load too [5.1.4-01], [5.1.6-01].
func TestDataDoesNotDelayAmbient(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: 500 * ms, IHBMin: 100 * ms, IHBMax: 400 * ms}, start)
	var data []time.Duration
	for at := time.Duration(0); at < 1600*ms; at += 10 * ms {
		data = append(data, at)
	}
	want(t, play(s, 1600*ms, data...), 0, 500*ms, 1000*ms, 1500*ms)
}

// Ambient and heartbeat SPMs are set independently: a change of one leaves the other's times alone [5.1.6-02].
func TestAmbientDoesNotResetHeartbeat(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: 250 * ms, IHBMin: 100 * ms, IHBMax: 800 * ms}, start)
	want(t, play(s, 1000*ms), 0, 100*ms, 250*ms, 300*ms, 500*ms, 700*ms, 750*ms, 1000*ms)
}

// An SPMR is answered at once, by one SPM within IHB_MIN; an SPM that left for another reason counts [13.4-01].
func TestRequestsAreLimited(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: time.Hour, IHBMin: 100 * ms, IHBMax: time.Hour}, start)
	s.Sent(start)
	s.DataSent(start.Add(99 * ms))
	for _, tt := range []struct {
		at       time.Duration
		answered bool
	}{{50 * ms, false}, {99 * ms, false}, {100 * ms, true}, {100 * ms, false}, {150 * ms, false}, {198 * ms, false}, {200 * ms, true}} {
		now := start.Add(tt.at)
		if s.Due(now) && tt.at < 199*ms {
			t.Fatalf("an SPM is due at %v", tt.at)
		}
		if got := s.Requested(now); got != tt.answered {
			t.Errorf("an SPMR at %v is answered: %v, want %v", tt.at, got, tt.answered)
		}
		if tt.answered {
			if !s.Due(now) {
				t.Errorf("no SPM is due for the SPMR at %v", tt.at)
			}
			if s.Requested(now) {
				t.Errorf("another SPM for another SPMR at %v", tt.at)
			}
			s.Sent(now)
		}
	}
}

// OPT_FIN and OPT_RST leave at once and the heartbeat begins anew from there [9.7.2-02], [9.8.2-04].
func TestSendNowRestartsHeartbeat(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: time.Hour, IHBMin: 100 * ms, IHBMax: 800 * ms}, start)
	want(t, play(s, 1500*ms), 0, 100*ms, 300*ms, 700*ms, 1500*ms)
	now := start.Add(1600 * ms)
	s.SendNow(now)
	if !s.Due(now) || !s.Next().Equal(now) {
		t.Fatal("no SPM is due at once")
	}
	now = now.Add(30 * ms) // the rate had no room before
	s.Sent(now)
	if got := s.Next().Sub(now); got != 100*ms {
		t.Errorf("the next is due %v later, want IHB_MIN", got)
	}
}

// While data waits for the rate, ambient SPMs leave and heartbeats do not; they begin when it has left, or was given up [5.1.5-01].
func TestNoHeartbeatsBeforeDataThatWaits(t *testing.T) {
	c := ScheduleConfig{Ambient: 500 * ms, IHBMin: 100 * ms, IHBMax: 800 * ms}
	s := NewSchedule(c, start)
	s.DataWaits(start, true)
	want(t, play(s, 1200*ms), 0, 500*ms, 1000*ms)
	now := start.Add(1200 * ms)
	s.DataSent(now)
	s.DataWaits(now, false)
	if got := s.Next().Sub(now); got != 100*ms {
		t.Errorf("after the data: the next SPM is due after %v, want IHB_MIN", got)
	}
	s = NewSchedule(c, start)
	s.DataWaits(start, true)
	want(t, play(s, 300*ms), 0)
	want(t, play(s, 1000*ms), 500*ms, 1000*ms) // which are no heartbeats, and lengthen no interval
	now = start.Add(1200 * ms)
	s.DataWaits(now, false)
	if got := s.Next().Sub(now); got != 100*ms {
		t.Errorf("data given up: the next SPM is due after %v, want IHB_MIN", got)
	}
	s.DataWaits(now.Add(50*ms), false) // to say it again puts nothing off
	if got := s.Next().Sub(now); got != 100*ms {
		t.Errorf("said twice: the next SPM is due after %v, want IHB_MIN", got)
	}
}

// A source that was stopped does not make up for the SPMs it missed.
func TestStallIsNotMadeUpFor(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: 100 * ms, IHBMin: 100 * ms, IHBMax: 100 * ms}, start)
	now := start.Add(time.Hour)
	s.Sent(now)
	if s.Due(now) || s.Next().Sub(now) != 100*ms {
		t.Errorf("after an hour without, the next is due after %v", s.Next().Sub(now))
	}
}

func TestScheduleConfigCheck(t *testing.T) {
	for _, tt := range []struct {
		c    ScheduleConfig
		good bool
	}{
		{ScheduleConfig{}, true},
		{ScheduleConfig{Ambient: 5 * ms}, true}, // the others follow
		{ScheduleConfig{IHBMin: 2 * time.Second}, true},
		{ScheduleConfig{IHBMin: 20 * ms, IHBMax: 10 * ms}, false},
		{ScheduleConfig{Ambient: -1}, false},
		{ScheduleConfig{IHBMin: -1}, false},
		{ScheduleConfig{IHBMax: -1}, false},
	} {
		if err := tt.c.Check(); (err == nil) != tt.good {
			t.Errorf("%+v: %v", tt.c, err)
		}
	}
}

func TestTheOpeningCanBeSeveralSPMs(t *testing.T) {
	s := NewSchedule(ScheduleConfig{Ambient: time.Hour, IHBMin: 100 * ms, IHBMax: 800 * ms, Opening: 3}, start)
	for i := range 3 {
		if !s.Due(start) {
			t.Fatalf("SPM %d is not due when the session opens", i)
		}
		s.Sent(start)
	}
	if want := start.Add(100 * ms); !s.Next().Equal(want) {
		t.Errorf("the next SPM is due %v after the opening, want the first heartbeat", s.Next().Sub(start))
	}
}
