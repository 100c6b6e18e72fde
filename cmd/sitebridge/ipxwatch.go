package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
)

// A selection is which packets of a wire somebody wants to see.
type selection struct{ socket, network, node, frame *string }

func selectionFlags(f *flag.FlagSet) selection {
	return selection{
		socket:  f.String("socket", "", "only packets from or to this `socket`, hexadecimal: 0453"),
		network: f.String("network", "", "only packets from or to this `network`, hexadecimal"),
		node:    f.String("node", "", "only packets from or to this `node`, in IPX or Ethernet"),
		frame:   f.String("frame", "", "only this frame `type`: ethernet_ii, ethernet_802_3, ethernet_802_2 or ethernet_snap, or ii, 802.3, 802.2 or snap"),
	}
}

// A packet is one sighting, taken apart. err says why it cannot be.
type wirePacket struct {
	enc      ipx.Encapsulation
	dst, src ipx.Node // Ethernet
	head     ipx.Header
	payload  []byte
	err      error
}

func open(frame []byte) (p wirePacket) {
	var pkt []byte
	if p.enc, p.dst, p.src, pkt, p.err = ipx.Decapsulate(frame); p.err == nil {
		p.head, p.payload, p.err = ipx.Parse(pkt)
	}
	return p
}

// A test says whether a packet is wanted.
type test func(*wirePacket) bool

// compile makes tests of the flags that are given. A packet is wanted when it
// passes all; one that is broken passes only where nothing is asked of it.
func (s selection) compile() (tests []test, err error) {
	add := func(text string, make func() (test, error)) {
		if text == "" || err != nil {
			return
		}
		var t test
		if t, err = make(); err == nil {
			tests = append(tests, func(p *wirePacket) bool { return p.err == nil && t(p) })
		}
	}
	add(*s.socket, func() (test, error) {
		n, err := ipx.ParseSocket(*s.socket)
		return func(p *wirePacket) bool { return p.head.Dst.Socket == n || p.head.Src.Socket == n }, err
	})
	add(*s.network, func() (test, error) {
		n, err := ipx.ParseNetwork(*s.network)
		return func(p *wirePacket) bool { return p.head.Dst.Network == n || p.head.Src.Network == n }, err
	})
	add(*s.node, func() (test, error) {
		n, err := ipx.ParseNode(*s.node)
		return func(p *wirePacket) bool {
			return p.head.Dst.Node == n || p.head.Src.Node == n || p.dst == n || p.src == n
		}, err
	})
	add(*s.frame, func() (test, error) {
		n, err := ipx.ParseFrameType(*s.frame)
		return func(p *wirePacket) bool { return p.enc == n }, err
	})
	return tests, err
}

func wanted(tests []test, p *wirePacket) bool {
	return !slices.ContainsFunc(tests, func(t test) bool { return !t(p) })
}

// A look is what the commands that only look have in common.
type look struct {
	f     *flag.FlagSet
	name  *string
	limit *time.Duration
	count *int
	pick  selection
	tests []test
}

func (e *env) look(name, args string, limit time.Duration) *look {
	f := e.flags(name, args)
	return &look{
		f:     f,
		name:  f.String("i", "", "the `interface` to look at (needs CAP_NET_RAW)"),
		limit: timeFlag(f, "for", limit, "end after this `time`; 0: when interrupted"),
		count: new(int),
	}
}

// counted adds the flags of commands that show packets one by one.
func (l *look) counted() {
	l.f.IntVar(l.count, "c", 0, "end after so many packets; 0: when interrupted")
	l.pick = selectionFlags(l.f)
}

// parse reads the command line.
func (l *look) parse(e *env, args []string) (code int, ok bool) {
	if _, code, ok := parse(l.f, args, 0); !ok {
		return code, false
	}
	if *l.name == "" {
		l.f.Usage()
		return exitUsage, false
	}
	if l.pick.socket != nil {
		var err error
		if l.tests, err = l.pick.compile(); err != nil {
			return e.misused(l.f, err), false
		}
	}
	if *l.count < 0 || *l.limit < 0 {
		return e.misused(l.f, errors.New("-c and --for want no negative number")), false
	}
	return exitOK, true
}

// silence is what to say when nothing was heard.
func (l *look) silence() error {
	if len(l.tests) > 0 {
		return fmt.Errorf("no such packet was heard on %s: without --socket, --network, --node and --frame all are shown", *l.name)
	}
	return fmt.Errorf("no IPX was heard on %s: servers and routers speak about every minute, so listen for two; is this the right interface, and is the wire plugged in where they are? "+
		"All four frame types were listened to; a switch or Wi-Fi shows only what is for all or for us, even to an interface in promiscuous mode", *l.name)
}

// end is the exit code of a look that saw n packets.
func (e *env) lookEnded(l *look, n int, lost uint64, err error) int {
	if lost > 0 {
		fmt.Fprintf(e.stderr, "sitebridge: %d frames came too fast and were not seen\n", lost)
	}
	switch {
	case err != nil:
		return e.fail(err)
	case n == 0:
		return e.fail(l.silence())
	}
	return exitOK
}
