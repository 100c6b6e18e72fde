package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
)

// Host is an IPX host on the interface args[0], in the frame type args[1]. With
// an address in args[2] it pings that and ends; else it answers until ctx ends.
func Host(ctx context.Context, out io.Writer, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want an interface and a frame type")
	}
	enc, err := ipx.ParseEncapsulation(args[1])
	if err != nil {
		return err
	}
	p, err := port.OpenLAN(port.LANConfig{Interface: args[0]})
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := station.New(p, enc)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	if len(args) == 2 {
		return <-ran
	}
	to, err := ipx.ParseAddr(args[2] + ":" + ipx.SocketPing.String())
	if err != nil {
		return err
	}
	r, err := s.FindRoute(ctx, to.Network)
	if err != nil {
		return err
	}
	took, err := s.Ping(ctx, to, r.Router, 500)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%v answers in %v; we are on network %v\n", to, took.Round(10*time.Microsecond), s.Addr().Network)
	return err
}
