package poll

import "testing"

// The average of the last four polls; what chance cannot explain begins a new one [14.3.1-07].
func TestEstimateAverages(t *testing.T) {
	type poll struct{ replies, bits, want int }
	for _, tt := range []struct {
		name  string
		polls []poll
	}{
		{"chance", []poll{{40, 4, 640}, {50, 4, 720}, {36, 4, 672}, {34, 4, 640}, {60, 4, 720}}},
		{"growth", []poll{{40, 4, 640}, {40, 4, 640}, {40, 6, 2560}, {50, 6, 2880}}},
		{"shrinking", []poll{{60, 10, 61440}, {3, 0, 3}, {4, 0, 4}}},
		{"few, exactly known", []poll{{3, 0, 3}, {5, 0, 5}, {0, 0, 0}, {1, 0, 1}}},
		{"a lost reply of a hundred", []poll{{100, 0, 100}, {98, 0, 99}}},
		{"most there can be", []poll{{1 << 20, 32, 1 << 52}}},
	} {
		var e Estimate
		if _, ok := e.Population(); ok {
			t.Fatal("an estimate without a poll")
		}
		for i, p := range tt.polls {
			e.Add(p.replies, p.bits)
			if n, ok := e.Population(); !ok || n != p.want {
				t.Errorf("%s: after poll %d, %d children, want %d", tt.name, i, n, p.want)
			}
		}
	}
}
