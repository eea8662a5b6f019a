package pgm

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
)

// A sender says in its statistics how many receivers it has, whether it sends or not, unless it is not to ask [14.3.1-07].
func TestSenderCountsItsReceivers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		count time.Duration
		want  bool
	}{{"by default", 0, true}, {"not at all", -1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := netio.NewMemory()
				for i := range 5 {
					l := listen(t, host(Config{}, m, fmt.Sprintf("192.0.2.%d", 10+i)), inMemory)
					defer l.Close()
				}
				c := dial(t, host(Config{Source: SourceConfig{Count: tt.count}}, m, "192.0.2.1"), inMemory)
				time.Sleep(5 * time.Second)
				write(t, c, []byte("so that it looks again"))
				time.Sleep(time.Second)
				if st := c.Stats(); st.ReceiversKnown != tt.want || tt.want && st.Receivers != 5 {
					t.Errorf("%d receivers, known: %v; %+v", st.Receivers, st.ReceiversKnown, st.Polls)
				}
				c.Close()
				c.writer.sender.CloseNow()
				synctest.Wait()
			})
		})
	}
}
