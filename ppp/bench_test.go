package ppp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/internal/tap"
	"sitebridge/internal/turns"
	"sitebridge/ppp/aead"
	"sitebridge/ppp/mppe"
)

// A sink is an NCP that takes packets and does nothing.
type sink struct{ *fakeNCP }

func (sink) Deliver(uint16, []*packet.Buffer) {}

// A load is a Link that is up, and a full batch for it, half of it IP and half IPX.
type load struct {
	*Link
	frames []*packet.Buffer
	size   int
}

func newLoad(t testing.TB, size int, through *tunnel) *load {
	l := &load{Link: NewLink(Config{Send: nowhere, Tap: tap.New(netip.Addr{}, netip.Addr{}, new(tap.Board), true)}), size: size}
	v := &view{framing: framing{acfc: true, pfc: true}, peerMRU: 1500, network: true, tunnel: through}
	for _, n := range []*fakeNCP{fakeIP(t), fakeIPX(t)} {
		v.layers = append(v.layers, gates{ncp: sink{n}, data: n.Data(), out: true, in: true})
	}
	l.view.Store(v)
	for range packet.BatchLen {
		l.frames = append(l.frames, new(packet.Buffer))
	}
	return l
}

// reset makes packets of the frames. They look as MPPE
// wants packets to.
func (l *load) reset() {
	for i, b := range l.frames {
		b.Reset()
		b.SetLen(l.size)
		p := b.Bytes()
		p[0] = 0x45
		binary.BigEndian.PutUint16(p[2:], uint16(l.size))
		if l.protocol(i) == 0x002b {
			p[0] = 0xff
		}
	}
}

func (l *load) protocol(i int) uint16 { return [2]uint16{0x0021, 0x002b}[2*i/len(l.frames)] }

// dress makes what a cipher takes of the frames.
func (l *load) dress() {
	l.reset()
	for i, b := range l.frames {
		framing{pfc: true}.putProtocol(b, l.protocol(i))
	}
}

// send makes frames of the packets.
func (l *load) send() {
	l.reset()
	half := len(l.frames) / 2
	if l.Send(0x0021, l.frames[:half], false) != nil || l.Send(0x002b, l.frames[half:], false) != nil {
		panic("a packet was not sent")
	}
}

// mustHave panics unless all packets of so many batches came through.
func (l *load) mustHave(batches int) {
	if got, want := l.counters.packetsIn.Load(), uint64(batches*packet.BatchLen); got != want {
		panic(fmt.Sprintf("%d packets of %d came through", got, want))
	}
}

// A kind is what a link may be protected by, with the two ends of a tunnel.
type kind struct {
	name    string
	tunnels func() (from, to *tunnel)
}

var kinds = []kind{
	{"clear", func() (from, to *tunnel) { return nil, nil }},
	{"mppe-128", func() (from, to *tunnel) {
		end := func(authenticator bool) *tunnel {
			return &tunnel{Coder: mppe.New(mppe.FromMSK([64]byte{1}, authenticator), false), data: 0x00fd, inside: isData}
		}
		return end(false), end(true)
	}},
	{"aead", func() (from, to *tunnel) {
		end := func(authenticator bool) *tunnel {
			x := aead.Exchange{EMSK: &[64]byte{1}, Peer: aead.End{Cipher: aead.Preferred()}, Authenticator: aead.End{Cipher: aead.Preferred()}}
			return &tunnel{Coder: aead.New(x, authenticator, aead.Limits{}), data: 0x0053, inside: isData}
		}
		return end(false), end(true)
	}},
}

func isData(protocol uint16) bool { return protocol < firstControl }

func TestDataPathDoesNotAllocate(t *testing.T) {
	for _, k := range kinds {
		from, to := k.tunnels()
		l, r := newLoad(t, 1400, from), newLoad(t, 1400, to)
		batches := 0
		if n := testing.AllocsPerRun(100, func() {
			l.send()
			r.Receive(l.frames)
			batches++
		}); n != 0 && !race.Enabled {
			t.Errorf("%s: Send and Receive allocate %v times", k.name, n)
		}
		r.mustHave(batches)
	}
}

// sending is what Send does with a batch, and what the cipher alone does with it.
func (k kind) sending(t testing.TB, size int) (link, alone turns.Work) {
	from, _ := k.tunnels()
	l := newLoad(t, size, from)
	link = turns.Work{Do: l.send, Around: l.reset}
	if from, _ = k.tunnels(); from != nil {
		l := newLoad(t, size, nil)
		alone = turns.Work{Around: l.dress, Do: func() {
			l.dress()
			from.Seal(l.frames)
		}}
	}
	return link, alone
}

// receiving is the same for Receive. A batch must be sealed first, each time: no
// cipher takes a packet twice.
func (k kind) receiving(t testing.TB, size int) (link, alone turns.Work) {
	from, to := k.tunnels()
	l, r := newLoad(t, size, from), newLoad(t, size, to)
	send, seal := k.sending(t, size)
	batches := 0
	link = turns.Work{Around: send.Do, Do: func() {
		l.send()
		r.Receive(l.frames)
		batches++
		r.mustHave(batches)
	}}
	if from, to = k.tunnels(); from != nil {
		l := newLoad(t, size, nil)
		alone = turns.Work{Around: seal.Do, Do: func() {
			l.dress()
			from.Seal(l.frames)
			if out, err := to.Open(l.frames); err != nil || len(out) != len(l.frames) {
				panic("a packet was dropped")
			}
		}}
	}
	return link, alone
}

func benchmark(b *testing.B, work func(kind, testing.TB, int) (link, alone turns.Work)) {
	for _, k := range kinds {
		for _, size := range []int{1400, 64} {
			b.Run(fmt.Sprintf("%s/%d", k.name, size), func(b *testing.B) {
				link, alone := work(k, b, size)
				turns.Pair{Ours: link, Measure: alone, Name: "cipher", Packets: packet.BatchLen}.Benchmark(b)
			})
		}
	}
}

func BenchmarkSend(b *testing.B)    { benchmark(b, kind.sending) }
func BenchmarkReceive(b *testing.B) { benchmark(b, kind.receiving) }
