package ppp

import (
	"errors"
	"slices"
	"testing"

	"sitebridge/internal/packet"
)

// carrying is a Link as the data path sees it in the Network phase: v.
func carrying(send func([]*packet.Buffer, bool) error, ncps ...*fakeNCP) *Link {
	l := NewLink(Config{Send: send})
	v := &view{framing: framing{acfc: true, pfc: true}, peerMRU: 1400, network: true}
	for _, n := range ncps {
		n.ups = 1
		v.layers = append(v.layers, gates{ncp: n, data: n.Data(), out: true, in: true})
	}
	l.view.Store(v)
	return l
}

func batch(t testing.TB, pkts ...string) []*packet.Buffer {
	t.Helper()
	var b []*packet.Buffer
	for _, p := range pkts {
		b = append(b, buffer(t, unhex(t, p)))
	}
	return b
}

// One call of the NCP for each run of packets of one protocol, in order.
func TestReceiveGroups(t *testing.T) {
	ip, ipx := fakeIP(t), fakeIPX(t)
	l := carrying(func([]*packet.Buffer, bool) error { return nil }, ip, ipx)
	l.Receive(batch(t, "2101", "ff03002102", "c0210a010004", "2103", "2b04", "2b05", "ff", "2b06", "2107", "fd08"))
	if want := []int{2, 1, 1}; !slices.Equal(ip.batches, want) {
		t.Errorf("IP in batches of %v, want %v", ip.batches, want)
	}
	if want := []int{2, 1}; !slices.Equal(ipx.batches, want) {
		t.Errorf("IPX in batches of %v, want %v", ipx.batches, want)
	}
	var got []byte
	for _, p := range append(ip.got, ipx.got...) {
		got = append(got, p...)
	}
	if want := []byte{1, 2, 3, 7, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("packets % x, want % x", got, want)
	}
	s := l.Stats()
	if s.PacketsIn != 7 || s.OctetsIn != 7 || s.Drops.Malformed != 1 || len(l.queue) != 2 {
		t.Errorf("stats %+v, %d queued, want the LCP packet and the unknown one", s, len(l.queue))
	}
}

// A gate that is not open yet lets nothing in, without a word.
func TestReceiveBeforeOpen(t *testing.T) {
	ip := fakeIP(t)
	l := carrying(nowhere, ip)
	v := *l.view.Load()
	v.layers[0].in = false
	l.view.Store(&v)
	l.Receive(batch(t, "2101", "2102"))
	if s := l.Stats(); s.Drops.BeforeOpen != 2 || len(ip.got) != 0 || len(l.queue) != 0 {
		t.Errorf("stats %+v", s)
	}
}

func nowhere([]*packet.Buffer, bool) error { return nil }

func TestQueueIsBounded(t *testing.T) {
	l := carrying(nowhere)
	for range 1000 {
		l.Receive(batch(t, "c02109010004"))
	}
	if s := l.Stats(); len(l.queue) != queueLen || s.Drops.QueueFull != 1000-queueLen {
		t.Errorf("%d queued, %+v", len(l.queue), s.Drops)
	}
}

// What the peer cannot take is left out, and the rest goes in runs.
func TestSendDropsOversized(t *testing.T) {
	var sent []int
	l := carrying(func(f []*packet.Buffer, df bool) error {
		if !df {
			t.Error("df is lost")
		}
		sent = append(sent, len(f))
		return nil
	}, fakeIP(t))
	sized := func(n int) *packet.Buffer { return buffer(t, make([]byte, n)) }
	pkts := []*packet.Buffer{sized(1400), sized(1), sized(1401), sized(0), sized(2000), sized(1500)}
	if err := l.Send(0x0021, pkts, true); err != nil {
		t.Error(err)
	}
	if want := []int{2, 1}; !slices.Equal(sent, want) {
		t.Errorf("sent in batches of %v, want %v", sent, want)
	}
	if s := l.Stats(); s.PacketsOut != 3 || s.OctetsOut != 1404 || s.Drops.OverPeerMRU != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestSendCountsFailure(t *testing.T) {
	broken := errors.New("no route to host")
	l := carrying(func([]*packet.Buffer, bool) error { return broken }, fakeIP(t))
	if err := l.Send(0x0021, batch(t, "45", "45"), false); !errors.Is(err, broken) {
		t.Errorf("Send = %v", err)
	}
	if err := l.Send(0x0057, batch(t, "60"), false); !errors.Is(err, ErrNotOpen) {
		t.Errorf("Send of what does not run = %v", err)
	}
	if d := l.Stats().Drops; d.SendFailed != 2 || d.NotOpen != 1 {
		t.Errorf("drops %+v", d)
	}
}
