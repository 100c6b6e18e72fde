package ppp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/auth/eaptls/tlstest"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/ecp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
	"sitebridge/ppp/ipxcp"
	"sitebridge/ppp/mppe"
)

// pairs is how many links are negotiated by default, and AtScale.
const (
	pairs        = 150
	pairsAtScale = 10_000
)

// TestNegotiationUnderLoss: two links over a line that loses, repeats and reorders
// packets, with any option set, end up open and of one mind, or closed with a reason.
// None hangs. NEGOTIATION_SEED repeats one.
func TestNegotiationUnderLoss(t *testing.T) {
	if word := os.Getenv("NEGOTIATION_SEED"); word != "" {
		var seed uint64
		if _, err := fmt.Sscan(word, &seed); err != nil {
			t.Fatal(err)
		}
		t.Log(negotiate(t, seed))
		return
	}
	negotiateAll(t, pairs)
}

// TestNegotiationAtScale is the same, ten thousand times.
func TestNegotiationAtScale(t *testing.T) {
	if race.Enabled || os.Getenv("FULL") == "" {
		return // TestNegotiationUnderLoss looks for races, and is quick
	}
	negotiateAll(t, pairsAtScale)
}

func negotiateAll(t *testing.T, n uint64) {
	var mu sync.Mutex // guards tally
	tally := map[string]int{}
	var workers sync.WaitGroup
	const at = 2 // bubbles at once
	for first := range uint64(at) {
		workers.Go(func() {
			for seed := first; seed < n && !t.Failed(); seed += at {
				how := negotiate(t, seed)
				mu.Lock()
				tally[how]++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	t.Logf("%d pairs: %v", n, tally)
	if got := tally["open"]; !t.Failed() && got < int(n)*9/10 {
		t.Errorf("only %d of %d came up", got, n)
	}
}

// negotiate makes one pair of links from a seed, and says how they ended up.
func negotiate(t *testing.T, seed uint64) (how string) {
	dice := rand.New(rand.NewPCG(seed, 7))
	synctest.Test(t, func(t *testing.T) {
		p := newPair(dice)
		defer p.stop()
		how = p.settle(10 * time.Minute)
		if how == "" {
			t.Errorf("seed %d (%s): neither open alike nor closed:\n%s", seed, p.words, p.views())
		}
	})
	return how
}

// A side is one link of a pair and what its network protocols agreed on.
type side struct {
	link *ppp.Link
	done chan struct{} // closed when Run has returned
	err  error

	mu      sync.Mutex
	ip      *ipcp.Result
	v6      *ipv6cp.Result
	ipx     *ipxcp.Result
	arrived int // data packets that the other side has sent
}

// A pair is two links that negotiate over a bad line.
type pair struct {
	words string // what they were given
	a, b  *side  // a dials
	stop  func()
}

// The options are what a pair of links is told to agree on.
type options struct {
	method     auth.Method
	encryption string // "", "mppe-128", "aead"
	ip, v6     bool
	ipx        bool
	mru        uint16
	slots      int
	number     ipx.Network
	from       bool // the dialler gets its address from its peer
	loss       float64
	twice      float64
	late       float64
}

func drawn(dice *rand.Rand) options {
	o := options{
		method: []auth.Method{0, auth.PAP, auth.CHAP, auth.MSCHAPv2, auth.EAPMSCHAPv2, auth.EAPTLS}[dice.IntN(6)],
		ip:     dice.IntN(4) != 0,
		v6:     dice.IntN(2) == 0,
		ipx:    dice.IntN(3) != 0,
		mru:    []uint16{0, 1400, 1500, 1600}[dice.IntN(4)],
		slots:  []int{0, 16}[dice.IntN(2)],
		number: ipx.Network(dice.IntN(3)) * 0xbeef,
		from:   dice.IntN(2) == 0,
		loss:   0.3 * dice.Float64(),
		twice:  0.3 * dice.Float64(),
		late:   0.3 * dice.Float64(),
	}
	switch o.method {
	case auth.MSCHAPv2, auth.EAPMSCHAPv2:
		o.encryption = []string{"", "mppe-128"}[dice.IntN(2)]
	case auth.EAPTLS:
		o.encryption = []string{"", "mppe-128", "aead"}[dice.IntN(3)]
	}
	if !o.v6 && !o.ipx {
		o.ip = true
	}
	return o
}

func newPair(dice *rand.Rand) *pair {
	o := drawn(dice)
	p := &pair{words: fmt.Sprintf("%+v", o), a: &side{done: make(chan struct{})}, b: &side{done: make(chan struct{})}}
	ctx, cancel := context.WithCancel(context.Background())
	x, y := gre.NewPair()
	var muxes sync.WaitGroup
	join := func(m *gre.Memory, peer netip.Addr, seed uint64) *gre.Channel {
		l := line{dice: rand.New(rand.NewPCG(seed, seed)), o: o}
		m.SetLine(gre.Line{Delay: 5 * time.Millisecond, Fault: l.fate})
		mux := gre.NewMux(m, nil, nil)
		muxes.Go(func() { _ = mux.Run(ctx) })
		c, err := mux.Open(peer, gre.ChannelConfig{})
		if err != nil {
			panic(err)
		}
		return c
	}
	a, b := join(x, y.Addr(), dice.Uint64()), join(y, x.Addr(), dice.Uint64())
	p.a.begin(ctx, o.config(p.a, true), a, b.ID())
	p.b.begin(ctx, o.config(p.b, false), b, a.ID())
	p.stop = func() {
		cancel()
		<-p.a.done
		<-p.b.done
		muxes.Wait()
	}
	return p
}

// begin runs the link over its data channel.
func (s *side) begin(ctx context.Context, cfg ppp.Config, c *gre.Channel, peerID uint16) {
	cfg.Send = c.Send
	s.link = ppp.NewLink(cfg)
	c.Connect(netip.Addr{}, peerID, 64, s.link.Receive)
	go func() {
		defer close(s.done)
		defer c.Close()
		s.err = s.link.Run(ctx)
	}()
}

// A line loses, repeats and delays the packets that go one way.
type line struct {
	dice *rand.Rand
	o    options
	late []delayed
}

// A delayed packet arrives after so many others.
type delayed struct {
	packet []byte
	after  int
}

// fate says what arrives when a packet was sent.
func (l *line) fate(pkt []byte) (arrive [][]byte) {
	for range l.copies() {
		if l.dice.Float64() < l.o.late {
			l.late = append(l.late, delayed{bytes.Clone(pkt), 1 + l.dice.IntN(4)})
		} else {
			arrive = append(arrive, pkt)
		}
	}
	kept := l.late[:0]
	for _, d := range l.late {
		if d.after--; d.after < 0 {
			arrive = append(arrive, d.packet)
		} else {
			kept = append(kept, d)
		}
	}
	l.late = kept
	return arrive
}

func (l *line) copies() int {
	n := 1
	if l.dice.Float64() < l.o.twice {
		n = 2
	}
	if l.dice.Float64() < l.o.loss {
		n--
	}
	return n
}

var pki = sync.OnceValue(func() (p struct {
	ca     *tlstest.CA
	branch *tls.Certificate
	hq     *tls.Certificate
}) {
	p.ca = tlstest.NewCA("CA")
	p.branch, p.hq = p.ca.Issue("branch"), p.ca.Issue("hq")
	return p
})

func certified(own *tls.Certificate, usage x509.ExtKeyUsage) *auth.TLSConfig {
	return &auth.TLSConfig{
		Certificate: func() (*tls.Certificate, error) { return own, nil },
		Verify: func(_ string, chain []*x509.Certificate) (string, error) {
			return chain[0].Subject.CommonName, pki().ca.Verify(usage)(chain)
		},
	}
}

// config is one side's, of the dialler or of the answerer.
func (o options) config(s *side, dials bool) ppp.Config {
	const secretOfBoth = secret.Secret("correct horse battery")
	c := ppp.Config{MRU: o.mru}
	if o.method != 0 && dials {
		c.Prove, c.MustProve = []auth.Method{o.method}, true
		c.Peer = auth.PeerConfig{Name: "branch", Secret: secretOfBoth, TLS: certified(pki().branch, x509.ExtKeyUsageServerAuth)}
	} else if o.method != 0 {
		c.Ask = []auth.Method{o.method}
		c.Authenticator = auth.AuthenticatorConfig{
			Name:   "hq",
			Lookup: func(name string) (secret.Secret, bool) { return secretOfBoth, name == "branch" },
			TLS:    certified(pki().hq, x509.ExtKeyUsageClientAuth),
		}
	}
	c.Admit = func(a ppp.Admission) (ppp.Network, error) {
		n := ppp.Network{NCPs: s.ncps(o, dials), Echo: ppp.Echo{Interval: 10 * time.Second, Failures: 10}}
		if o.encryption != "" {
			n.Encryption = ppp.Encryption{Policy: ppp.Required, Ciphers: []ppp.Cipher{cipherOf(o.encryption, a)}}
		}
		return n, nil
	}
	return c
}

// An ncp is a protocol with the data that it carries.
type ncp struct {
	fsm.Protocol
	side *side
	data uint16
}

func (n ncp) Data() []uint16 { return []uint16{n.data} }

func (n ncp) Deliver(_ uint16, pkts []*packet.Buffer) {
	n.side.mu.Lock()
	defer n.side.mu.Unlock()
	for _, b := range pkts {
		if bytes.Equal(b.Bytes(), cargo) {
			n.side.arrived++
		}
	}
}

func (s *side) ncps(o options, dials bool) (all []ppp.NCP) {
	local, peer := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	if !dials {
		local, peer = peer, local
	}
	if o.ip {
		c := ipcp.Config{Address: local, Peer: peer, Up: func(r ipcp.Result) error { put(s, &s.ip, &r); return nil }, Down: func() { put(s, &s.ip, nil) }}
		if o.from && dials {
			c.Address, c.AcceptAddress = netip.Addr{}, true
		}
		all = append(all, ncp{ipcp.New(c), s, 0x21})
	}
	if o.v6 {
		all = append(all, ncp{ipv6cp.New(ipv6cp.Config{Up: func(r ipv6cp.Result) error { put(s, &s.v6, &r); return nil }, Down: func() { put(s, &s.v6, nil) }}), s, 0x57})
	}
	if o.ipx {
		c := ipxcp.Config{Unnumbered: true, Slots: o.slots, Up: func(r ipxcp.Result) error { put(s, &s.ipx, &r); return nil }, Down: func() { put(s, &s.ipx, nil) }}
		if dials {
			c.Network = o.number
		}
		all = append(all, ncp{ipxcp.New(c), s, 0x2b})
	}
	return all
}

func put[T any](s *side, at **T, r *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*at = r
}

type (
	byECP struct{ *ecp.Protocol }
	byCCP struct{ *ccp.Protocol }
)

func (c byECP) Coder() ppp.Coder { return c.Protocol.Coder() }
func (byECP) Strength() string   { return "" }
func (c byCCP) Coder() ppp.Coder { return c.Protocol.Coder() }
func (byCCP) Strength() string   { return "" }

func cipherOf(word string, a ppp.Admission) ppp.Cipher {
	switch k := a.Keys.(type) {
	case *auth.TLSKeys:
		if word == "aead" {
			return byECP{ecp.New(ecp.Config{
				EMSK: k.EMSK(), PeerCertificate: k.PeerCertificate(), AuthenticatorCertificate: k.AuthenticatorCertificate(),
				Authenticator: k.Authenticator(), OurLCP: a.OurLCP, PeerLCP: a.PeerLCP,
			})}
		}
		return byCCP{ccp.New(ccp.Config{Keys: mppe.FromMSK(k.MSK(), k.Authenticator())})}
	case *auth.MasterKeys:
		return byCCP{ccp.New(ccp.Config{Keys: mppe.FromMSCHAP(k.PasswordHashHash(), k.NTResponse(), k.Authenticator())})}
	}
	panic("no keys for " + word)
}

var cargo = []byte("carried")

// settle waits until both links are open, of one mind, and a packet has crossed each
// way, or both are over with a reason. It returns "" when neither happens in time.
func (p *pair) settle(within time.Duration) string {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		switch {
		case p.a.over() && p.b.over():
			return p.ended()
		case p.open() && p.alike() && p.crossed():
			return "open"
		}
	}
	return ""
}

func (s *side) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// ended names how the links ended; "" if one has no reason to tell.
func (p *pair) ended() string {
	var ends [2]*ppp.End
	for i, s := range []*side{p.a, p.b} {
		if !errors.As(s.err, &ends[i]) || ends[i].Reason == "" {
			return ""
		}
	}
	return fmt.Sprintf("closed: %v, %v", ends[0].Kind, ends[1].Kind)
}

func (p *pair) open() bool {
	for _, s := range []*side{p.a, p.b} {
		v := s.link.Status()
		if s.over() || v.Phase != ppp.PhaseNetwork || len(v.NCPs) == 0 ||
			slices.ContainsFunc(v.NCPs, func(n ppp.NCPState) bool { return !n.Opened }) {
			return false
		}
	}
	return true
}

// alike reports whether each side's view of the link is the mirror of the other's.
func (p *pair) alike() bool {
	a, b := p.a.link.Status(), p.b.link.Status()
	if a.Ours != b.Peers || a.Peers != b.Ours || a.Encryption.Method != b.Encryption.Method || a.Encryption.Agreed != b.Encryption.Agreed || a.Method != b.Method {
		return false
	}
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	x, y := p.a, p.b
	return mirrored(x.ip, y.ip, func(a, b *ipcp.Result) bool { return a.Local == b.Peer && a.Peer == b.Local }) &&
		mirrored(x.v6, y.v6, func(a, b *ipv6cp.Result) bool { return a.Local == b.Peer && a.Peer == b.Local }) &&
		mirrored(x.ipx, y.ipx, func(a, b *ipxcp.Result) bool {
			return a.Network == b.Network && a.Send == b.Receive && a.Receive == b.Send
		})
}

func mirrored[T any](a, b *T, alike func(a, b *T) bool) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return alike(a, b)
}

// crossed sends a packet of each side's first protocol, and reports whether one has
// come through each way.
func (p *pair) crossed() bool {
	through := true
	for _, s := range []*side{p.a, p.b} {
		s.mu.Lock()
		through = through && s.arrived > 0
		s.mu.Unlock()
	}
	if through {
		return true
	}
	for _, s := range []*side{p.a, p.b} {
		b := packet.Get()
		b.Set(cargo)
		_ = s.link.Send(dataOf(s), []*packet.Buffer{b}, false) // it may be lost, as on the line
		packet.Put(b)
	}
	return false
}

func dataOf(s *side) uint16 {
	switch s.link.Status().NCPs[0].Name {
	case "IPCP":
		return 0x21
	case "IPV6CP":
		return 0x57
	}
	return 0x2b
}

func (p *pair) views() string {
	words := ""
	for _, s := range []*side{p.a, p.b} {
		words += fmt.Sprintf("%+v\nerr %v\n", s.link.Status(), s.err)
	}
	return words
}
