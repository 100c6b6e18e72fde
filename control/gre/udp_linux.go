package gre

import (
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// DefaultUDPPort is where a daemon listens for GRE in UDP unless told otherwise
// (RFC 8086, section 3.1).
const DefaultUDPPort = 4754

// A UDPConfig says how UDP opens its sockets.
type UDPConfig struct {
	Port          uint16 // ours, at all addresses; 0: the kernel chooses
	Mark          uint32 // SO_MARK of every packet sent; 0: none
	ReceiveBuffer int    // octets of the receive queue; 0: 4 MiB
	Log           *slog.Logger
}

// A UDP is a Carrier through UDP over IPv4: the packet of RFC 2637, section 4, header
// and all, is a datagram's payload. It is modelled on RFC 8086 and does not claim to be
// it. Where raw GRE pays for every packet, the kernel takes and gives a run of packets
// of one length as one (UDP_SEGMENT and UDP_GRO in udp(7)).
//
// It has two sockets to send with, and a third that only receives, as Raw has, all on
// one port: packets must leave from where the peer sends its own to, or a NAT between
// would not let those in.
type UDP struct {
	receive         *socket
	whole, fragment *socket // to send, with "don't fragment" and without
	port            uint16
	mark            uint32
	in              *datagrams
	out             sync.Pool // of *segments
	plain           plainPaths
	counters        udpCounters
}

// OpenUDP opens the sockets. They receive what comes to the port at any address of this
// host's.
func OpenUDP(cfg UDPConfig) (*UDP, error) {
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = defaultReceiveBuffer
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	u := &UDP{mark: cfg.Mark, in: newDatagrams()}
	u.out.New = func() any { return newSegments() }
	if err := u.open(cfg); err != nil {
		return nil, err
	}
	if got := u.receive.option(unix.SO_RCVBUF) / 2; got < cfg.ReceiveBuffer { // the kernel counts double
		cfg.Log.Info("receive queue of GRE in UDP is shorter than asked", "octets", got, "asked", cfg.ReceiveBuffer)
	}
	if u.plain.always {
		cfg.Log.Info("the kernel has no segmentation of UDP: sending takes more of the processor")
	}
	return u, nil
}

// Port returns the port at which we receive.
func (u *UDP) Port() uint16 { return u.port }

// Send implements Carrier.
func (u *UDP) Send(path Path, pkts []*packet.Buffer, df bool) error {
	if !path.Remote.Is4() || path.Local.IsValid() && !path.Local.Is4() || path.Port == 0 {
		return fmt.Errorf("from %v to %v, port %d: GRE in UDP goes over IPv4, to a port", path.Local, path.Remote, path.Port)
	}
	b := u.out.Get().(*segments)
	defer u.out.Put(b)
	b.address(path)
	b.longest = u.plain.longest(path, df)
	s := u.fragment
	if df {
		s = u.whole
	}
	tooBig, singly := 0, 0 // singly: so many packets more must not go as a run
	for len(pkts) > 0 {
		b.fill(pkts, singly)
		sent, err := s.sendSegments(b)
		u.counters.sent.Add(uint64(sent))
		pkts, singly = pkts[sent:], max(0, singly-sent)
		switch {
		case err == nil:
		case b.failed > 1 && (err == unix.EINVAL || err == unix.EMSGSIZE || err == unix.EIO):
			if err == unix.EIO { // the device cannot make checksums, or IPsec is on the way
				u.plain.remember(path)
				b.longest = 0
			}
			u.counters.resent.Add(1)
			singly = b.failed
		case err == unix.EMSGSIZE: // the first of those that are left
			tooBig++
			pkts, singly = pkts[1:], max(0, singly-1)
		case err == unix.EAGAIN || err == unix.ENOBUFS:
			u.counters.sendQueueFull.Add(uint64(len(pkts)))
			pkts = nil
		default:
			return err
		}
	}
	if tooBig > 0 {
		return &TooBigError{MTU: pathMTU(path, u.mark), Packets: tooBig}
	}
	return nil
}

// Receive implements Carrier.
func (u *UDP) Receive(in []Datagram) (int, error) {
	for len(in) > 0 {
		if n := u.in.split(in, &u.counters); n > 0 {
			u.counters.received.Add(uint64(n))
			return n, nil
		}
		if err := u.receive.receiveDatagrams(u.in); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// Crowd tells how full the queue was when the last batch was taken from it.
func (u *UDP) Crowd() Crowd { return u.in.crowd }

// Close implements Carrier.
func (u *UDP) Close() error {
	for _, s := range []*socket{u.whole, u.fragment, u.receive} {
		if s != nil {
			s.close()
		}
	}
	return nil
}
