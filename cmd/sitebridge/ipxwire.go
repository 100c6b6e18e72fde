package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
)

// wires is how the IPX tools reach an interface; the tests have one in memory.
type wires interface {
	// Port is for who takes part.
	Port(name string) (port.Port, error)
	// Watch is for who only looks.
	Watch(name string) (watcher, error)
}

// A watcher is a port.Watch.
type watcher interface {
	Run(ctx context.Context, see func(port.Sighting)) error
	Lost() uint64
	Close() error
}

// kernelWires are the host's interfaces.
type kernelWires struct{}

func (kernelWires) Port(name string) (port.Port, error) {
	if err := mustBeUp(name); err != nil {
		return nil, err
	}
	p, err := port.OpenLAN(port.LANConfig{Interface: name})
	return p, inWords(err)
}

func (kernelWires) Watch(name string) (watcher, error) {
	if err := mustBeUp(name); err != nil {
		return nil, err
	}
	w, err := port.OpenWatch(port.LANConfig{Interface: name, Promiscuous: true})
	return w, inWords(err)
}

// mustBeUp: a daemon waits for an interface, but who types a command would wait
// for an answer.
func mustBeUp(name string) error {
	if i, err := net.InterfaceByName(name); err == nil && i.Flags&net.FlagUp == 0 {
		return fmt.Errorf("interface %s is down: `ip link set %s up` brings it up", name, name)
	}
	return nil // or port says what is wrong
}

// inWords adds what to do about a missing capability.
func inWords(err error) error {
	if !errors.Is(err, port.ErrPrivilege) {
		return err
	}
	program, perr := os.Executable()
	if perr != nil {
		program = "sitebridge"
	}
	return fmt.Errorf("%w: run it as root, or give the program that capability (setcap cap_net_raw+ep %s)", err, program)
}

// A wireChoice says on which interface a command speaks, and in which frame
// types.
type wireChoice struct{ name, frame *string }

func wireFlags(f *flag.FlagSet) wireChoice {
	return wireChoice{
		name:  f.String("i", "", "speak on an `interface` oneself, without any daemon (needs CAP_NET_RAW)"),
		frame: f.String("frame", "", "with -i: one frame `type` only: ethernet_ii, ethernet_802_3, ethernet_802_2 or ethernet_snap, or ii, 802.3, 802.2 or snap (default all four)"),
	}
}

// answerFlag is for questions that many may answer.
func answerFlag(f *flag.FlagSet) *time.Duration {
	return timeFlag(f, "for", 3*time.Second, "with -i: wait this `time` for answers, and for what is told to all, at least")
}

func (w wireChoice) wanted() bool { return *w.name != "" }

// frames returns the frame types to speak: none is all.
func (w wireChoice) frames() ([]ipx.Encapsulation, error) {
	if *w.frame == "" {
		return nil, nil
	}
	e, err := ipx.ParseFrameType(*w.frame)
	return []ipx.Encapsulation{e}, err
}

// String says where was asked, for messages.
func (w wireChoice) String() string {
	if *w.frame == "" {
		return "on " + *w.name + " in any frame type"
	}
	return "on " + *w.name + " in " + *w.frame
}

// hint is what to do when nothing answers.
func (w wireChoice) hint() string {
	try := "is there a router or server on this wire, and is it this wire?"
	if *w.frame != "" {
		try = "without --frame, all four frame types are tried:"
	}
	return fmt.Sprintf("%s `sitebridge ipx listen -i %s` shows who speaks there, in which frame type", try, *w.name)
}

// eitherWay refuses flags for the wire beside flags for the daemon.
func (e *env) eitherWay(f *flag.FlagSet) (code int, ok bool) {
	given := map[string]bool{}
	f.Visit(func(x *flag.Flag) { given[x.Name] = true })
	for _, x := range []string{"socket", "config"} {
		if given["i"] && given[x] {
			return e.misused(f, fmt.Errorf("-i asks the wire and --%s a daemon: write one of them", x)), false
		}
	}
	for _, x := range []string{"frame", "for"} {
		if !given["i"] && given[x] {
			return e.misused(f, fmt.Errorf("--%s is for -i INTERFACE", x)), false
		}
	}
	return exitOK, true
}

// misused says what is wrong with a command line.
func (e *env) misused(f *flag.FlagSet, err error) int {
	fmt.Fprintf(e.stderr, "sitebridge %s: %v\n", f.Name(), err)
	return exitUsage
}

// asHost runs do as a host on the wire.
func (e *env) asHost(w wireChoice, do func(*station.Host) int) int {
	frames, err := w.frames()
	if err != nil {
		fmt.Fprintln(e.stderr, "sitebridge:", err)
		return exitUsage
	}
	p, err := e.wires.Port(*w.name)
	if err != nil {
		return e.fail(err)
	}
	defer p.Close()
	h := station.NewHost(p, frames...)
	ctx, cancel := context.WithCancel(e.ctx)
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	code := do(h)
	if n := h.Missed(); n > 0 {
		fmt.Fprintf(e.stderr, "sitebridge: %s came too fast, and nobody looked\n", amount(n, "packet"))
	}
	return code
}

// watch opens an interface, calls began, and shows see all that passes, for a time
// if that is not zero, until see has enough or the command is interrupted. It
// returns how many frames were lost.
func (e *env) watch(name string, limit time.Duration, began func(), see func(port.Sighting) (enough bool)) (lost uint64, err error) {
	w, err := e.wires.Watch(name)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	began()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	if limit > 0 {
		defer time.AfterFunc(limit, cancel).Stop()
	}
	full := false
	err = w.Run(ctx, func(s port.Sighting) {
		if full = full || see(s); full {
			cancel()
		}
	})
	return w.Lost(), err
}
