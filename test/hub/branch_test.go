package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ip"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/ecp"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/mppe"
)

// A branch dials the hub and keeps its link, as a daemon of its own would, but for what
// that has in the kernel: all branches of a fleet share one interface.
type branch struct {
	f      *fleet
	n      int
	own    *identity.Own // nil: it proves itself by its secret
	secret secret.Secret

	dials  atomic.Uint64
	up     atomic.Bool
	reason atomic.Pointer[string] // of the last end
}

func (b *branch) name() string { return fmt.Sprintf("b%04d", b.n) }

// The addresses of a branch: of its packets to the hub, of its end of the link, of its
// LAN, of its host there, and of the host behind the hub that it alone speaks to, by
// which the fleet's interface knows whose a packet is.
func (b *branch) outer() netip.Addr { return b.addr(198, 18) }
func (b *branch) lan() netip.Prefix { return netip.PrefixFrom(b.host(), 24).Masked() }
func (b *branch) host() netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(64 + b.n>>8), byte(b.n), 2})
}

// A caller of a pool gets no address that ends with 0 or 255.
func (b *branch) inner() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 254, byte(b.n / 250), byte(1 + b.n%250)})
}
func (b *branch) server() netip.Addr { return b.addr(10, 2) }

func (b *branch) addr(first, second byte) netip.Addr {
	n := b.n + 1
	return netip.AddrFrom4([4]byte{first, second, byte(n >> 8), byte(n)})
}

// run dials until ctx ends, more and more slowly while it is in vain, as the daemon does.
func (b *branch) run(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		b.dials.Add(1)
		if err := b.call(ctx); err != nil {
			words := err.Error()
			b.reason.Store(&words)
		}
		if b.up.Swap(false) {
			b.f.up.Add(-1)
			wait = time.Second
		}
		select {
		case <-time.After(wait - rand.N(wait/4+1)):
		case <-ctx.Done():
		}
	}
}

// call makes one call and returns when it is over.
func (b *branch) call(ctx context.Context) error {
	nc, err := b.f.dial(ctx, b)
	if err != nil {
		return err
	}
	conn, err := control.Open(ctx, nc, control.Config{Host: b.name(), Vendor: "sitebridge", Firmware: 1, EchoInterval: b.f.echo})
	if err != nil {
		return err
	}
	defer conn.Close()
	local := nc.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	channel, err := b.f.mux.Open(netip.MustParseAddr(hubWAN), gre.ChannelConfig{Window: 64, Unpaced: true})
	if err != nil {
		return err
	}
	defer channel.Close()
	w := b.f.way(conn.Peer())
	call, err := conn.Call(ctx, control.CallRequest{ID: channel.ID(), Window: 64, Subaddress: w.subaddress()})
	if err != nil {
		return err
	}
	if err := w.choose(ctx, channel, local); err != nil {
		return err
	}
	var link *ppp.Link
	link = ppp.NewLink(b.linkConfig(channel, func() *ppp.Link { return link }))
	channel.Connect(local, call.PeerID(), call.Window(), link.Receive)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-call.Done():
			link.HangUp(call.Err().Error())
		case <-over:
		}
	}()
	return link.Run(ctx)
}

func (b *branch) linkConfig(channel *gre.Channel, link func() *ppp.Link) ppp.Config {
	cfg := ppp.Config{
		Prove: []auth.Method{auth.MSCHAPv2}, MustProve: true,
		Peer: auth.PeerConfig{Name: b.name(), Secret: b.secret},
		Send: channel.Send,
	}
	if b.own != nil {
		cfg.Prove, cfg.Peer.TLS = []auth.Method{auth.EAPTLS}, b.tls()
	}
	cfg.Admit = func(a ppp.Admission) (ppp.Network, error) {
		return ppp.Network{
			NCPs:       []ppp.NCP{&branchIP{Protocol: b.ipcp(link), b: b}},
			Echo:       ppp.Echo{Interval: b.f.echo},
			Encryption: ppp.Encryption{Policy: ppp.Required, Ciphers: []ppp.Cipher{b.cipher(a)}},
		}, nil
	}
	return cfg
}

func (b *branch) tls() *auth.TLSConfig {
	trust := &identity.Trust{CAs: []*x509.Certificate{b.f.ca.Leaf()}, Name: "hub"}
	return &auth.TLSConfig{
		Certificate: func() (*tls.Certificate, error) { return b.own.TLS(time.Now()) },
		Verify: func(_ string, chain []*x509.Certificate) (string, error) {
			return "hub", trust.Check(chain, x509.ExtKeyUsageServerAuth, time.Now())
		},
	}
}

func (b *branch) cipher(a ppp.Admission) ppp.Cipher {
	if tls, ok := a.Keys.(*auth.TLSKeys); ok {
		return branchECP{ecp.New(ecp.Config{
			EMSK:            tls.EMSK(),
			PeerCertificate: tls.PeerCertificate(), AuthenticatorCertificate: tls.AuthenticatorCertificate(),
			OurLCP: a.OurLCP, PeerLCP: a.PeerLCP,
		})}
	}
	k := a.Keys.(*auth.MasterKeys)
	return branchCCP{ccp.New(ccp.Config{Keys: mppe.FromMSCHAP(k.PasswordHashHash(), k.NTResponse(), k.Authenticator())})}
}

type branchECP struct{ *ecp.Protocol }
type branchCCP struct{ *ccp.Protocol }

func (c branchECP) Coder() ppp.Coder { return c.Protocol.Coder() }
func (c branchCCP) Coder() ppp.Coder { return c.Protocol.Coder() }
func (branchECP) Strength() string   { return "strong" }
func (branchCCP) Strength() string   { return "weak" }

// ipcp takes the branch into the fleet's interface while IPCP is up.
func (b *branch) ipcp(link func() *ppp.Link) *ipcp.Protocol {
	return ipcp.New(ipcp.Config{
		Address: b.inner(), AcceptAddress: b.f.pool,
		Up: func(r ipcp.Result) error {
			mtu := ip.InnerMTU(1500, link().Overhead(), link().MaxPacket()).InnerMTU
			b.f.take(b, ip.CallerConfig{Link: link(), Address: b.server(), MTU: mtu})
			b.up.Store(true)
			b.f.cameUp(r)
			return nil
		},
		Down: func() { b.f.drop(b) },
	})
}

// A branchIP joins IPCP with the fleet's interface.
type branchIP struct {
	*ipcp.Protocol
	b *branch
}

func (*branchIP) Data() []uint16 { return []uint16{ip.ProtocolIPv4} }

func (p *branchIP) Deliver(protocol uint16, pkts []*packet.Buffer) {
	if c := p.b.f.callers[p.b.n].Load(); c != nil {
		c.Deliver(p.b.f.dev, protocol, pkts)
	}
}
