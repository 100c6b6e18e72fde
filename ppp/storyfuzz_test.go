package ppp_test

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/ecp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
	"sitebridge/ppp/ipxcp"
	"sitebridge/ppp/mppe"
)

// Whatever somebody on the line does with what two links say to each other, and whatever
// a stranger says to one of them: no network packet passes before its protocol is up, its
// peer admitted and its encryption agreed on; nobody is admitted who did not prove himself;
// under an authenticated cipher nothing arrives that was not sent, and nothing twice; an
// answer brings a few others at most; and a link ends in time and says why.
func FuzzLink(f *testing.F) {
	agree := func(protocol byte, options string) []byte {
		b, err := hex.DecodeString(options)
		if err != nil {
			f.Fatal(err)
		}
		return join([]byte{opAnswer, protocol, byte(fsm.ConfigureAck), 0}, []byte{opPacket, protocol, byte(fsm.ConfigureRequest), 7, byte(len(b))}, b)
	}
	for kind := range byte(1 << 5) { // with a method and a protection of each kind
		f.Add(kind, []byte{opSettle, opData, 0, 0, opData, 1, 0, opSettle, opReplay, 0, 0, opReflect, 0, 0, opSettle})
	}
	const chap, mschapv2, required, sealed = 2, 3, 2 << 3, 3 << 3
	f.Add(byte(mschapv2|required), []byte{opDeliver, 3, opChange, 9, 0xff, opSettle, opTime, 2, opSettle, opClose, 0, opSettle})
	f.Add(byte(sealed), []byte{opSettle, opReplay, 1, 5, opSwap, opSettle, opTime, 5, opDrop, 2, opSettle, opData, 0, 1, opChange, 12, 1, opSettle})
	for _, kind := range []byte{faceAnswerer, faceDialler, faceBoth, faceAnswerer | required, faceDialler | sealed, faceBoth | chap} {
		f.Add(kind, join(agree(0, "0506deadbeef"), []byte{opReflect, 0, 2}, agree(1, "03060a090002"),
			agree(3, "010600000bad"), []byte{opNetwork, 0, 9, 4, 1, 2, 3, 4, opData, 0, 0}))
		f.Add(kind, join(agree(0, ""), agree(4, "120601000040"), agree(2, "010a0202020202020202"), []byte{opLoop, opTime, 4}))
	}
	f.Add(byte(faceAnswerer), join(agree(0, "01040200"), []byte{opPacket, 0, 9, 1, 4, 1, 2, 3, 4, opPacket, 0, 8, 1, 2, 0x80, 0x21}))
	f.Add(byte(faceBoth|chap), join(agree(0, "0305c22305"), []byte{opLoop, opTime, 5, opLoop}))
	f.Fuzz(func(t *testing.T, kind byte, octets []byte) {
		if len(octets) > 2048 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t, kind, octets)
			for len(s.script) > 0 && !s.over() {
				s.step()
				s.check()
			}
			s.finish()
		})
	})
}

// The stories begin where they should: two links whom nobody disturbs come up, and what
// is held against them afterwards is not held against nothing.
func TestUndisturbedStoryOpens(t *testing.T) {
	for kind := range byte(1 << 5) {
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t, kind, []byte{opSettle, opData, 0, 0, opData, 1, 2, opSettle, opReplay, 0, 0})
			for len(s.script) > 0 {
				s.step()
				s.check()
			}
			s.touch(func() {
				for _, a := range s.actors {
					if !a.up[0x21] || !a.up[0x57] || !a.up[0x2b] || a.sealed != (s.policy != ppp.Disabled) {
						t.Errorf("%v, %v: up %v, encrypted %v: %v", s.method, s.policy, a.up, a.sealed, s.views())
					}
				}
				if len(s.sent) != 0 {
					t.Errorf("%v, %v: did not arrive: %v", s.method, s.policy, s.sent)
				}
			})
			s.finish()
		})
	}
}

// What a step of a story is.
const (
	opDeliver = iota // what is on the line arrives
	opSettle         // and what is said to it, until all is quiet
	opDrop
	opSwap
	opChange
	opCut
	opReplay
	opReflect
	opLoop // all that a link says comes back to it
	opPacket
	opAnswer
	opNetwork
	opRaw
	opData
	opTime
	opClose
	opEnd
)

// Who is there: two links and the line between them, or one and a stranger. The low bits
// are how a peer is to prove itself, and then how packets are protected.
const (
	faceAnswerer = 1 << 5
	faceDialler  = 2 << 5
	faceBoth     = 3 << 5 // one that proves itself, and asks for the same
)

var storyProtocols = []uint16{0xc021, 0x8021, 0x8057, 0x802b, 0x80fd, 0x8053, 0xc023, 0xc223, 0xc227, 0x0021, 0x0057, 0x002b, 0x00fd, 0x0053}

func isData(protocol uint16) bool { return protocol == 0x21 || protocol == 0x57 || protocol == 0x2b }
func isNCP(protocol uint16) bool {
	return protocol == 0x8021 || protocol == 0x8057 || protocol == 0x802b
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// unguessable is the secret of both ends: no fuzzer finds it.
var unguessable = func() secret.Secret { return secret.Secret(cryptorand.Text()) }()

// A story is what happens to links, and what they may do meanwhile.
type story struct {
	t        *testing.T
	script   []byte
	face     byte
	method   auth.Method
	policy   ppp.Policy
	aead     bool
	mu       sync.Mutex // guards what follows, and the actors' fields
	actors   []*actor
	line     []flight
	sent     map[string]bool // data that a link has sealed and that has not arrived
	nextData int
}

// A flight is a frame on its way.
type flight struct {
	to    int
	frame []byte
}

// An actor is a link of the story, with what has become of it.
type actor struct {
	s      *story
	n      int
	dials  bool
	link   *ppp.Link
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	said     [][]byte // the frames that it sent last
	frames   int      // in all
	admitted bool
	sealed   bool // its cipher has come up
	up       map[uint16]bool
}

func newStory(t *testing.T, kind byte, script []byte) *story {
	s := &story{
		t: t, script: script, face: kind & (3 << 5), sent: map[string]bool{},
		method: []auth.Method{0, auth.PAP, auth.CHAP, auth.MSCHAPv2, auth.EAPMSCHAPv2, 0, auth.CHAP, auth.MSCHAPv2}[kind&7],
		policy: []ppp.Policy{ppp.Disabled, ppp.Preferred, ppp.Required, ppp.Required}[kind>>3&3],
		aead:   kind>>3&3 == 3,
	}
	if s.face == 0 || s.face == faceDialler {
		s.add(true, false)
	}
	if s.face == 0 || s.face == faceAnswerer {
		s.add(false, true)
	}
	if s.face == faceBoth {
		s.add(true, true)
	}
	synctest.Wait()
	return s
}

// add begins with another link.
func (s *story) add(proves, asks bool) {
	a := &actor{s: s, n: len(s.actors), dials: proves, done: make(chan struct{}), up: map[uint16]bool{}}
	c := ppp.Config{Admit: a.admit, Send: a.send, Rand: rand.NewChaCha8([32]byte{byte(a.n)})}
	name := map[bool]string{true: "branch", false: "hq"}[proves]
	if s.method != 0 && proves {
		c.Prove, c.MustProve = []auth.Method{s.method}, true
		c.Peer = auth.PeerConfig{Name: name, Secret: unguessable}
	}
	if s.method != 0 && asks {
		c.Ask = []auth.Method{s.method}
		c.Authenticator = auth.AuthenticatorConfig{Name: name, OwnNames: []string{name}, Lookup: func(string) (secret.Secret, bool) { return unguessable, true }}
	}
	s.actors = append(s.actors, a)
	a.link = ppp.NewLink(c)
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(a.done)
		a.err = a.link.Run(ctx)
	}()
}

// admit is asked when authentication is over: by a stranger it never is, unless he was
// not asked for anything that he does not know.
func (a *actor) admit(ad ppp.Admission) (ppp.Network, error) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	mutual := s.method == auth.MSCHAPv2 || s.method == auth.EAPMSCHAPv2
	if s.method != 0 && (s.face == faceAnswerer || s.face == faceBoth || s.face == faceDialler && mutual) {
		s.t.Errorf("a stranger was admitted as %+v", ad.Identity)
	}
	if !a.dials && ad.Proved != (s.method != 0) {
		s.t.Errorf("admitted as %+v with the method %v", ad.Identity, s.method)
	}
	a.admitted = true
	n := ppp.Network{NCPs: a.ncps(), Encryption: ppp.Encryption{Policy: s.policy}}
	keys := [64]byte{0: 26, 63: 37}
	switch {
	case s.policy == ppp.Disabled:
	case s.aead:
		n.Encryption.Ciphers = []ppp.Cipher{storyECP{byECP{ecp.New(ecp.Config{
			EMSK: keys, Authenticator: !a.dials, OurLCP: ad.OurLCP, PeerLCP: ad.PeerLCP, Rand: rand.NewChaCha8([32]byte{5, byte(a.n)}),
		})}, a}}
	default:
		n.Encryption.Ciphers = []ppp.Cipher{storyCCP{byCCP{ccp.New(ccp.Config{Keys: mppe.FromMSK(keys, !a.dials), Stateful: true})}, a}}
	}
	return n, nil
}

func (a *actor) ncps() []ppp.NCP {
	local, peer := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	if !a.dials {
		local, peer = peer, local
	}
	id := uint64(0x0200_0000_0000_0001) + uint64(a.n)
	return []ppp.NCP{
		storyNCP{ipcp.New(ipcp.Config{Address: local, Peer: peer, Unnumbered: a.s.method == 0}), a, 0x21},
		storyNCP{ipv6cp.New(ipv6cp.Config{Identifier: id}), a, 0x57},
		storyNCP{ipxcp.New(ipxcp.Config{Network: 0xbad, Unnumbered: true, Slots: 16, Node: ipx.Node{5: byte(1 + a.n)},
			AssignNode: func() ipx.Node { return ipx.Node{5: 9} }}), a, 0x2b},
	}
}

type (
	storyECP struct {
		byECP
		a *actor
	}
	storyCCP struct {
		byCCP
		a *actor
	}
)

func (c storyECP) Up() error { return c.a.encrypted(c.byECP.Up()) }
func (c storyCCP) Up() error { return c.a.encrypted(c.byCCP.Up()) }

func (a *actor) encrypted(err error) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.sealed = a.sealed || err == nil
	return err
}

// A storyNCP is a protocol whose gates are looked at.
type storyNCP struct {
	fsm.Protocol
	a    *actor
	data uint16
}

func (n storyNCP) Data() []uint16 { return []uint16{n.data} }

func (n storyNCP) Up() error {
	err := n.Protocol.Up()
	n.set(err == nil)
	return err
}

func (n storyNCP) Down() {
	n.set(false)
	n.Protocol.Down()
}

func (n storyNCP) set(up bool) {
	n.a.s.mu.Lock()
	defer n.a.s.mu.Unlock()
	if n.a.up[n.data] && up {
		n.a.s.t.Errorf("%s comes up twice", n.Name())
	}
	n.a.up[n.data] = up
}

func (n storyNCP) Deliver(protocol uint16, pkts []*packet.Buffer) {
	a, s := n.a, n.a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if protocol != n.data || !a.up[n.data] || !a.admitted || s.policy == ppp.Required && !a.sealed {
		s.t.Errorf("%s got %04x: up %v, admitted %v, encrypted %v", n.Name(), protocol, a.up[n.data], a.admitted, a.sealed)
	}
	for _, b := range pkts {
		if key := fmt.Sprintf("%d %04x %x", 1-a.n, protocol, b.Bytes()); s.aead && !s.sent[key] {
			s.t.Errorf("%s got % x, which was not sent, or came before", n.Name(), b.Bytes())
		} else {
			delete(s.sent, key)
		}
	}
}

// send takes what the link says, and judges whether it may.
func (a *actor) send(frames []*packet.Buffer, _ bool) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range frames {
		protocol, pkt := split(b.Bytes())
		early := protocol != 0xc021 && protocol>>8 != 0xc0 && protocol>>8 != 0xc2 && !a.admitted
		clear := isData(protocol) && (!a.up[protocol] || a.sealed || s.policy == ppp.Required) ||
			isNCP(protocol) && s.policy == ppp.Required && (!a.sealed || s.aead)
		if early || clear || len(pkt) > max(1500, a.link.PeerMRU()) {
			s.t.Errorf("sends %04x of %d octets: admitted %v, encrypted %v, up %v", protocol, len(pkt), a.admitted, a.sealed, a.up)
		}
		a.frames++
		if a.said = append(a.said, bytes.Clone(b.Bytes())); len(a.said) > 64 {
			a.said = a.said[1:]
		}
		if s.face == 0 && len(s.line) < 4096 {
			s.line = append(s.line, flight{1 - a.n, bytes.Clone(b.Bytes())})
		}
	}
	return nil
}

// split takes the header from a frame.
func split(f []byte) (protocol uint16, pkt []byte) {
	f = bytes.TrimPrefix(f, []byte{0xff, 0x03})
	switch {
	case len(f) > 0 && f[0]&1 != 0:
		return uint16(f[0]), f[1:]
	case len(f) > 1:
		return binary.BigEndian.Uint16(f), f[2:]
	}
	return 0, nil
}

func (s *story) octet() byte {
	if len(s.script) == 0 {
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return b
}

func (s *story) take(n int) []byte {
	n = min(n, len(s.script))
	b := s.script[:n]
	s.script = s.script[n:]
	return b
}

// some is one of the links.
func (s *story) some(which byte) *actor { return s.actors[int(which)%len(s.actors)] }

func (s *story) step() {
	switch op := s.octet() % opEnd; op {
	case opDeliver:
		for n := int(s.octet()%16) + 1; n > 0; n-- {
			s.arrive()
		}
	case opSettle:
		s.settle()
	case opDrop:
		n := int(s.octet() % 8)
		s.touch(func() { s.line = s.line[min(len(s.line), n):] })
	case opSwap:
		s.touch(func() {
			if n := len(s.line); n > 1 {
				s.line[0], s.line[n-1] = s.line[n-1], s.line[0]
			}
		})
	case opChange:
		at, x := int(s.octet()), s.octet()
		if to, f := s.next(); len(f) > 0 {
			f[at%len(f)] = x
			s.give(to, f)
		}
	case opCut:
		n := int(s.octet())
		if to, f := s.next(); f != nil {
			s.give(to, f[:min(n, len(f))])
		}
	case opReplay:
		a := s.some(s.octet())
		if f := a.recall(s.octet()); f != nil && s.face == 0 {
			s.give(1-a.n, f)
		}
	case opReflect:
		a := s.some(s.octet())
		if f := a.recall(s.octet()); f != nil {
			s.give(a.n, f)
		}
	case opLoop:
		s.loop()
	case opPacket:
		protocol, code, id := s.protocol(), s.octet(), s.octet()
		s.give(int(id)%len(s.actors), framed(protocol, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.Code(code), ID: id, Data: s.take(int(s.octet()))})))
	case opAnswer:
		s.answer()
	case opNetwork:
		s.give(int(s.octet())%len(s.actors), framed(s.protocol(), s.take(int(s.octet()))))
	case opRaw:
		s.give(int(s.octet())%len(s.actors), s.take(int(s.octet())))
	case opData:
		s.data(s.some(s.octet()), []uint16{0x21, 0x57, 0x2b}[s.octet()%3])
	case opTime:
		time.Sleep([]time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}[s.octet()%7])
	case opClose:
		s.close(s.octet())
	}
	synctest.Wait()
}

func (s *story) protocol() uint16 { return storyProtocols[int(s.octet())%len(storyProtocols)] }

func framed(protocol uint16, pkt []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, 0x03}, protocol), pkt...)
}

// recall is one of the frames that a link has sent, the newest first.
func (a *actor) recall(i byte) (frame []byte) {
	a.s.touch(func() {
		if n := len(a.said); n > 0 {
			frame = a.said[n-1-int(i)%n]
		}
	})
	return frame
}

// frameCount is how many frames a link has sent.
func (a *actor) frameCount() (n int) {
	a.s.touch(func() { n = a.frames })
	return n
}

// touch has f look at what the links have told, or change it. synctest.Wait makes what
// they did before it seen; of what their timers have them do next it says nothing.
func (s *story) touch(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// give has a frame arrive. What is said to it must be a few frames at most.
func (s *story) give(to int, f []byte) {
	s.t.Helper()
	a := s.actors[to]
	b := packet.Get()
	defer packet.Put(b)
	if !b.Set(f) {
		return
	}
	before := a.frameCount()
	a.link.Receive([]*packet.Buffer{b})
	synctest.Wait()
	if n := a.frameCount() - before; n > 16 {
		s.t.Fatalf("%d frames for one: % x", n, f)
	}
}

// next takes a frame from the line, and says to whom it goes; nil: there is none.
func (s *story) next() (to int, frame []byte) {
	s.touch(func() {
		if len(s.line) > 0 {
			to, frame = s.line[0].to, s.line[0].frame
			s.line = s.line[1:]
		}
	})
	return to, frame
}

// arrive has the next frame of the line come through, if there is one.
func (s *story) arrive() bool {
	to, f := s.next()
	if f == nil {
		return false
	}
	s.give(to, f)
	return true
}

// settle lets the two talk until both are silent.
func (s *story) settle() {
	s.t.Helper()
	for n := 0; s.arrive(); n++ {
		if n > 4000 {
			s.t.Fatalf("no end of talk: %v", s.views())
		}
	}
}

// loop gives a link back all that it says, until it says nothing more.
func (s *story) loop() {
	s.t.Helper()
	a := s.actors[0]
	start := a.frameCount()
	for seen := start - 1; seen < a.frameCount(); seen++ {
		var f []byte
		s.touch(func() {
			if back := a.frames - seen; back >= 1 && back <= len(a.said) {
				f = a.said[len(a.said)-back]
			}
		})
		if f != nil {
			s.give(a.n, f)
		}
		if seen > start+2000 {
			s.t.Fatalf("a looped line talks without end: %v", s.views())
		}
	}
}

// answer has a link's last Configure-Request of a protocol answered.
func (s *story) answer() {
	protocol, code, patches := s.protocol(), fsm.Code(s.octet()), s.octet()
	for _, a := range s.actors {
		var said int
		s.touch(func() { said = len(a.said) })
		for i := range said {
			p, body := split(a.recall(byte(i)))
			q, err := fsm.ParsePacket(body)
			if p != protocol || err != nil || q.Code != fsm.ConfigureRequest {
				continue
			}
			q.Code, q.Data = code, bytes.Clone(q.Data)
			for range patches % 8 {
				if at, x := int(s.octet()), s.octet(); len(q.Data) > 0 {
					q.Data[at%len(q.Data)] = x
				}
			}
			s.give(a.n, framed(protocol, fsm.AppendPacket(nil, q)))
			break
		}
	}
}

// data has a link send a packet that nobody else sends.
func (s *story) data(a *actor, protocol uint16) {
	s.nextData++
	pkt := fmt.Appendf(nil, "packet %d", s.nextData)
	b := packet.Get()
	defer packet.Put(b)
	b.Set(pkt)
	s.mu.Lock()
	s.sent[fmt.Sprintf("%d %04x %x", a.n, protocol, pkt)] = true
	up := a.up[protocol]
	s.mu.Unlock()
	if err := a.link.Send(protocol, []*packet.Buffer{b}, false); (err == nil) != up {
		s.t.Errorf("Send of %04x = %v, up %v", protocol, err, up)
	}
}

func (s *story) close(how byte) {
	a := s.some(how)
	switch how >> 1 % 8 {
	case 0:
		a.link.Close("the story says so")
	case 1:
		a.link.HangUp("the story says so")
	case 2:
		a.cancel()
	default:
		a.link.CloseLayer([]string{"IPCP", "IPV6CP", "IPXCP"}[how>>1%3], "the story says so")
	}
}

func (s *story) over() bool {
	for _, a := range s.actors {
		select {
		case <-a.done:
		default:
			return false
		}
	}
	return true
}

// check is what holds after each step.
func (s *story) check() {
	s.t.Helper()
	for _, a := range s.actors {
		v := a.link.Status()
		s.touch(func() { s.holds(a, v) })
	}
}

// holds is called with the lock held.
func (s *story) holds(a *actor, v ppp.Status) {
	if v.Phase == ppp.PhaseNetwork && !a.admitted {
		s.t.Fatalf("in the network phase, and not admitted: %+v", v)
	}
	if v.Phase != ppp.PhaseNetwork && (a.up[0x21] || a.up[0x57] || a.up[0x2b]) {
		s.t.Fatalf("up %v in the phase %v", a.up, v.Phase)
	}
	for i, n := range v.NCPs {
		if data := []uint16{0x21, 0x57, 0x2b}[i]; n.Opened != a.up[data] {
			s.t.Fatalf("%+v, up %v", n, a.up)
		}
		if n.Opened && s.policy == ppp.Required && !a.sealed {
			s.t.Fatalf("%s is open in clear", n.Name)
		}
	}
}

// finish leaves the links alone: in silence each must find an end by itself.
func (s *story) finish() {
	s.t.Helper()
	patience := 10 * time.Minute
	for _, a := range s.actors {
		select {
		case <-a.done:
		case <-time.After(patience):
			s.t.Fatalf("still there after %v of silence: %+v", patience, a.link.Status())
		}
		defer a.cancel()
		s.touch(func() {
			if a.up[0x21] || a.up[0x57] || a.up[0x2b] {
				s.t.Errorf("up %v after the end", a.up)
			}
		})
		if _, err := json.Marshal(a.link.Status()); err != nil {
			s.t.Errorf("status: %v", err)
		}
		var end *ppp.End
		if a.err == nil {
			continue // it was cancelled
		}
		if !errors.As(a.err, &end) || end.Reason == "" || strings.HasPrefix(end.Kind.String(), "end(") ||
			strings.ContainsFunc(end.Reason, func(r rune) bool { return !strconv.IsPrint(r) }) {
			s.t.Errorf("ended by %#v", a.err)
		}
	}
}

func (s *story) views() (all []string) {
	for _, a := range s.actors {
		all = append(all, fmt.Sprintf("%+v", a.link.Status()))
	}
	return all
}
