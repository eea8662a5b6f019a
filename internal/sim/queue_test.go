package sim

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The queue gives events back in the order of their times, and those of one time in the order in which they came.
func TestQueueIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []event
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "step") > 0 || q.len() == 0 {
				e := event{at: int64(rapid.IntRange(0, 20).Draw(t, "at")), to: int32(len(model))}
				q.push(e)
				e.order = q.pushed
				model = append(model, e)
				continue
			}
			least := slices.MinFunc(model, func(a, b event) int {
				if a.before(&b) {
					return -1
				}
				return 1
			})
			first := *q.first()
			if got := q.pop(); got != least || first != least {
				t.Fatalf("got %+v, want %+v", got, least)
			}
			model = slices.DeleteFunc(model, func(e event) bool { return e == least })
		}
		if q.len() != len(model) {
			t.Fatalf("%d events in the queue, want %d", q.len(), len(model))
		}
	})
}
