package probe

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"sitebridge/control"
)

// A wire is a control connection whose every octet the attack decides.
type wire struct {
	net.Conn
	in       *bufio.Reader
	patience time.Duration
	heard    int // messages
}

func newWire(nc net.Conn, patience time.Duration) *wire {
	return &wire{nc, bufio.NewReader(nc), patience, 0}
}

// longest is more than any message of PPTP.
const longest = 1024

// mostHeard is more messages than any server has to say in one connection. One that never
// stops would keep us for ever, since each comes in time.
const mostHeard = 1000

// next reads one message. The error is io.EOF or a reset where the server has closed,
// and a time-out where it says nothing.
func (w *wire) next() (control.Message, error) {
	if w.heard++; w.heard > mostHeard {
		return nil, fmt.Errorf("%d messages, and still no answer: %w", mostHeard, os.ErrDeadlineExceeded)
	}
	if err := w.SetReadDeadline(time.Now().Add(w.patience)); err != nil {
		return nil, err
	}
	head, err := w.in.Peek(2)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head))
	if n > longest {
		return nil, fmt.Errorf("a message of %d octets", n)
	}
	b := make([]byte, max(n, 2))
	if _, err := io.ReadFull(w.in, b); err != nil {
		return nil, err
	}
	return control.Parse(b)
}

// say sends what is given, octet by octet as it stands.
func (w *wire) say(octets ...[]byte) error {
	if err := w.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return err
	}
	buffers := net.Buffers(octets)
	_, err := buffers.WriteTo(w.Conn)
	return err
}

func message(m control.Message) []byte { return control.Append(nil, m) }

// startRequest is what a client says first (RFC 2637, section 2.1).
var startRequest = control.StartRequest{
	Version: 0x0100, Framing: 3, Bearer: 3, MaxChannels: 1, Firmware: 1,
	Host: control.MakeText("probe"), Vendor: control.MakeText("probe"),
}

// started returns a control connection that the server has taken. A server may need some
// time to be rid of what an attack has left there.
func (p *prober) started(ctx context.Context) (w *wire, err error) {
	const tries = 10
	for i := range tries {
		if w, err = p.begin(ctx); err == nil {
			return w, nil
		}
		select {
		case <-time.After(p.cfg.Patience * time.Duration(i) / tries):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, err
}

func (p *prober) begin(ctx context.Context) (*wire, error) {
	w, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err = w.say(message(startRequest)); err == nil {
		var m control.Message
		if m, err = w.next(); err == nil {
			if r, ok := m.(control.StartReply); !ok {
				err = fmt.Errorf("%v instead of a reply", m.Type())
			} else if r.Result != control.Started {
				err = fmt.Errorf("refused: %v", r.Result)
			}
		}
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("control connection: %w", err)
	}
	return w, nil
}

// A reaction is what a server did after bad input.
type reaction uint8

const (
	closes   reaction = iota // the connection
	goesOn                   // answers the next question
	stalls                   // neither
	goesAway                 // the connection could not be had to begin with
)

// reaction asks whether the connection still works.
func (w *wire) reaction() reaction {
	const mark = 0xfeedbeef
	if err := w.say(message(control.EchoRequest{Identifier: mark})); err != nil {
		return closes
	}
	for {
		m, err := w.next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return stalls
		case err != nil:
			return closes
		}
		if r, ok := m.(control.EchoReply); ok && r.Identifier == mark {
			return goesOn
		}
	}
}

// A tally counts the reactions to variations of one attack.
type tally struct {
	of [4]int
	// stalled names the first that stalled the connection.
	stalled string
}

func (t *tally) add(r reaction, name string) {
	if t.of[r]++; r == stalls && t.stalled == "" {
		t.stalled = name
	}
}

func (t *tally) verdict() (Verdict, string) {
	words := fmt.Sprintf("%d closed, %d went on", t.of[closes], t.of[goesOn])
	if n := t.of[goesAway]; n > 0 {
		words += fmt.Sprintf(", %d times it took no connection", n)
	}
	switch {
	case t.of[stalls] > 0:
		return Broken, fmt.Sprintf("%s, %d stalled (%s)", words, t.of[stalls], t.stalled)
	case t.of[goesAway] > 0:
		return Weak, words
	}
	return Held, words
}

// after starts a connection, says octets and counts the reaction.
func (p *prober) after(ctx context.Context, t *tally, name string, octets ...[]byte) {
	w, err := p.started(ctx)
	if err != nil {
		t.add(goesAway, name)
		return
	}
	defer w.Close()
	if w.say(octets...) != nil {
		t.add(closes, name)
		return
	}
	t.add(w.reaction(), name)
}
