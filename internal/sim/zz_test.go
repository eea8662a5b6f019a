package sim
import ("testing";"time";"fmt";"net/netip"
"github.com/gopgm/gopgm/pgm/source";"github.com/gopgm/gopgm/pgm/receiver";"github.com/gopgm/gopgm/nak")
func TestZZ(t *testing.T){
 c := auto(120000); c.source.Slow=source.Demote
 x := newTrial(t, FromSeed(1))
 c.source.Lag = func(a netip.Addr, b bool) { fmt.Println(x.net.Elapsed(), "LAG", a, b) }
 k := x.talk(Root,&Link{},c); k.SetReceivers(3)
 at := x.behindNeck()
 for range 2 { x.listen(at,&Link{},&Link{},hear{unordered:true}) }
 slow := x.listen(at, &Link{Rate: neck / 10, Queue: neck / 100}, &Link{}, hear{unordered: true, receiver: receiver.Config{Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}}})
 var f func()
 f=func(){ s:=k.Stats(); w:=slow.witnesses
  if len(w)>0 { st:=w[0].session.Stats(); fmt.Printf("%v rate %d acker %v arr %d pend %d rdata %d odata %d naks %d auto %+v got %d naks %d ncfrep %d rep %d\n", x.net.Elapsed(), s.Rate, s.Control.Acker.Addr, s.Control.Acker.Rate, s.PendingRepairs, s.RDATA, s.ODATA, s.NAKs, s.Control.Auto, w[0].count, st.NAKs, st.Recovery.NCFRepeats, st.Recovery.Repeats)}
  if x.net.Elapsed()<150*time.Second { d:=500*time.Millisecond; if x.net.Elapsed()>8*time.Second {d=2*time.Second}; x.net.After(d,f)} }
 x.net.After(time.Second/2,f)
 x.run(2*time.Minute)
}
