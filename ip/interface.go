package ip

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"

	"sitebridge/internal/packet"
)

// A Link carries IP packets to the peer. The packets are lent until Send
// returns, and may be changed in place. With df, the carrier's packets must not
// be fragmented on the way.
type Link interface {
	Send(protocol uint16, pkts []*packet.Buffer, df bool) error
}

// Config describes an interface.
type Config struct {
	Name string       // 1 to 15 octets
	MTU  int          // while no link is up; default 1400
	Host *Host        // default: one of its own, of the calling thread's network namespace
	Log  *slog.Logger // default: none
}

const defaultMTU = 1400

// An Interface is a site's TUN interface. It lives as long as the site is
// configured and not only as long as a call, so that sockets and routes survive
// a reconnect: Up gives it a link, Down takes the link away, as often as needed.
type Interface struct {
	name    string
	log     *slog.Logger
	host    *Host
	ownHost bool
	tun     *tun
	link    netlink.Link
	live    atomic.Pointer[live] // nil: no link
	closed  atomic.Bool
	counters
	complaints complainer

	mu        sync.Mutex // guards what follows
	addresses Addresses
	given     []*netlink.Addr // the same, as the kernel has them
}

// Live is what an interface needs to know of a link that is up.
type Live struct {
	Link Link
	// Callers, in place of Link and Behind, are many peers, for IPv4. MTU4 is then that
	// of the widest.
	Callers *Callers
	// The longest packets that fit the tunnel. Zero: the protocol is not up.
	MTU4, MTU6 int
	// What is behind the peer. A packet from it with any other source, but for
	// the peer's own addresses of Configure, is dropped.
	Behind []netip.Prefix
}

// live is Live as the data path reads it. It is never changed, only replaced.
type live struct {
	link       Link
	callers    *Callers
	mtu4, mtu6 int
	sources    sourceSet
	// whose name ICMP messages to senders on our side bear
	complain4, complain6 netip.Addr
}

// carries returns the counter of why packets of an IP version do not pass, nil
// when they do.
func (i *Interface) carries(l *live, version uint8) (why *atomic.Uint64) {
	switch {
	case l == nil:
		return &i.linkDown
	case l.mtu(version) == 0:
		return &i.protocolDown
	}
	return nil
}

// mtu returns the longest packet of an IP version, 0 when that is not up.
func (l *live) mtu(version uint8) int {
	if version == 4 {
		return l.mtu4
	}
	return l.mtu6
}

// Open makes the TUN interface in the network namespace of the calling thread
// and brings it up. Packets are lost until there is a link and Run runs.
func Open(cfg Config) (_ *Interface, err error) {
	i := &Interface{name: cfg.Name, host: cfg.Host, log: cfg.Log}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if i.host == nil {
		if i.host, err = OpenHost(); err != nil {
			return nil, err
		}
		i.ownHost = true
	}
	if i.tun, err = openTUN(cfg.Name); err != nil {
		return nil, errors.Join(err, i.closeHost())
	}
	if err := i.bringUp(cmp.Or(cfg.MTU, defaultMTU)); err != nil {
		return nil, errors.Join(fmt.Errorf("set up interface %s: %w", cfg.Name, err), i.Close())
	}
	i.log.Info("interface made", "device", i.name)
	return i, nil
}

func (i *Interface) bringUp(mtu int) (err error) {
	if i.link, err = i.host.nl.LinkByName(i.name); err != nil {
		return err
	}
	// IPv6CP gives the link-local address; the kernel shall not make up another
	// (ip-link(8), addrgenmode none). Without IPv6 there is nothing to set.
	const genModeNone = 1
	if err := i.host.nl.LinkSetIP6AddrGenMode(i.link, genModeNone); err != nil {
		i.log.Debug("no IPv6 on the interface", "device", i.name, "error", err)
	}
	i.noQueue()
	if err := i.setMTU(mtu); err != nil {
		return err
	}
	return i.host.nl.LinkSetUp(i.link)
}

// noQueue leaves out the queue that the kernel puts before each interface that comes up
// (net.core.default_qdisc): 12 KiB of pfifo_fast, 68 of fq_codel. A TUN interface never
// says that it is full, so nothing ever waits there; what Run has not read yet is in a
// queue of its own behind it (drivers/net/tun.c, tun_net_xmit). Who wants to shape what
// goes into a tunnel still puts a queue there (tc-qdisc(8)).
func (i *Interface) noQueue() {
	err := i.host.nl.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: i.Index(), Parent: netlink.HANDLE_ROOT},
		QdiscType:  "noqueue",
	})
	if err != nil { // a kernel without traffic control has none to leave out
		i.log.Debug("the interface keeps its queue", "device", i.name, "error", err)
	}
}

// setMTU sets the interface's MTU. It stays within what a buffer holds, and
// never goes below what IPv6 needs: the kernel would take IPv6 off the
// interface. Smaller path MTUs are told by ICMP.
func (i *Interface) setMTU(mtu int) error {
	mtu = min(max(mtu, minIPv6MTU), packet.MaxLen)
	if err := i.host.nl.LinkSetMTU(i.link, mtu); err != nil {
		return fmt.Errorf("set MTU %d: %w", mtu, err)
	}
	return nil
}

// Name returns the interface's name.
func (i *Interface) Name() string { return i.name }

// Index returns the interface's index.
func (i *Interface) Index() int { return i.link.Attrs().Index }

// Up gives the interface its link. A second Up replaces the first: so is a
// changed path MTU told.
func (i *Interface) Up(l Live) error {
	if l.Link == nil && l.Callers == nil {
		return errors.New("no link")
	}
	if err := i.setMTU(max(l.MTU4, l.MTU6)); err != nil {
		return fmt.Errorf("set up interface %s: %w", i.name, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	a := i.addresses
	i.live.Store(&live{
		link:      l.Link,
		callers:   l.Callers,
		mtu4:      min(l.MTU4, packet.MaxLen),
		mtu6:      min(l.MTU6, packet.MaxLen),
		sources:   newSourceSet(l.Behind, a.Peer, a.peer6()),
		complain4: a.complain4(),
		complain6: i.host.complain6(a),
	})
	return nil
}

// Down takes the link away. A packet that is just being sent may still reach
// it; it is the link that refuses packets after its end.
func (i *Interface) Down() { i.live.Store(nil) }

// Stats returns what the interface has counted since Open.
func (i *Interface) Stats() Stats { return i.stats() }

// Close removes the interface, its addresses and its routes with it. Run
// returns.
func (i *Interface) Close() error {
	i.Down()
	i.closed.Store(true)
	return errors.Join(i.tun.file.Close(), i.closeHost())
}

func (i *Interface) closeHost() error {
	if i.ownHost {
		i.host.Close()
	}
	return nil
}
