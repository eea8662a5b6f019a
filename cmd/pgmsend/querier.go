package main

import (
	"context"
	"fmt"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/mld"
)

// openQuerier starts a querier on the interface that the session is sent on: without one on the link, switches that snoop stop forwarding to
// receivers some four minutes after they joined.
func (o *options) openQuerier(ctx context.Context) (*mld.Querier, error) {
	c, err := netio.Open(ctx, netio.Config{Interface: o.endpoint.Interface, Group: o.endpoint.Group})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	q, err := mld.OpenQuerier(c.Interface(), mld.RouterConfig{})
	if err != nil {
		return nil, fmt.Errorf("--querier: %w", err)
	}
	return q, nil
}
