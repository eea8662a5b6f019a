package vsync_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gopgm/gopgm/vsync"
)

// A member of a group: it sends, and receives what all send in the same order as they.
func ExampleJoin() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	g, err := vsync.Join(ctx, vsync.Config{
		Endpoint: "epgm://127.0.0.1;239.255.77.72:18499", Group: "accounts", Name: "one", Order: vsync.Total,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	for e, err := range g.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch e := e.(type) {
		case *vsync.View:
			fmt.Println("members:", len(e.Members), e.Members[0].Name)
			if err := g.Send(ctx, []byte("deposit 10")); err != nil {
				log.Fatal(err)
			}
		case *vsync.Message:
			fmt.Printf("%s\n", e.Data)
			return
		}
	}
	// Output:
	// members: 1 one
	// deposit 10
}

// A group with state gives it to who joins: what the first member has counted, the second goes on with.
func ExampleStateRequest() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := vsync.Config{Endpoint: "epgm://127.0.0.1;239.255.77.72:18498", Group: "counter", State: true}
	first, err := vsync.Join(ctx, c)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	go func() {
		for e := range first.Events(ctx) {
			if q, ok := e.(*vsync.StateRequest); ok {
				w := q.Writer(ctx)
				fmt.Fprint(w, "41")
				w.Close()
			}
		}
	}()
	time.Sleep(400 * time.Millisecond) // until it has founded the group
	second, err := vsync.Join(ctx, c)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	state := ""
	for e := range second.Events(ctx) {
		switch e := e.(type) {
		case *vsync.State:
			if e.Restart {
				state = ""
			}
			state += string(e.Data)
		case *vsync.View:
			fmt.Println(state, "known to", len(e.Members))
			return
		}
	}
	// Output: 41 known to 2
}
