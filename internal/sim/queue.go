package sim

// event is something that is to happen at a time. Which fields have a meaning depends on its kind.
type event struct {
	at     int64  // nanoseconds since the net began
	order  uint64 // events of one time happen in the order in which they were put into the queue
	packet int32
	to     int32
	until  int32
	from   int32
	kind   kind
	ttl    uint8
}

type kind uint8

const (
	timeout  kind = iota // of host to
	callback             // calls[to]
	routed               // packet has reached router to, from a neighbouring router or, if from is -1, from a host
	delivery             // packet has reached host to or, if from is a router, those of its hosts with the indices to..until-1
)

// queue is a heap of events, each with four below it: it is shallow, and what is compared lies side by side.
type queue struct {
	heap   []event
	pushed uint64
}

const below = 4

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

func (q *queue) len() int { return len(q.heap) }

// first returns the event that is next; there must be one.
func (q *queue) first() *event { return &q.heap[0] }

func (q *queue) push(e event) {
	q.pushed++
	e.order = q.pushed
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / below
		if !e.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	e := q.heap[last]
	q.heap = q.heap[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		least := below*i + 1
		if least >= last {
			break
		}
		for j := least + 1; j < min(below*i+1+below, last); j++ {
			if q.heap[j].before(&q.heap[least]) {
				least = j
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = e
	return top
}
