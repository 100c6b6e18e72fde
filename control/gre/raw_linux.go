package gre

import (
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// A RawConfig says how Raw opens its sockets.
type RawConfig struct {
	Mark          uint32 // SO_MARK of every packet sent; 0: none
	ReceiveBuffer int    // octets of the receive queue; 0: 4 MiB
	// NextHop, when not nil, tells how packets of a path leave, or why that is not as
	// simple as a NextHop. Batches that may not be cut are then sent past the host's own
	// IP layer; its output rules do not see them. Whoever gives it calls HostChanged.
	NextHop func(Path) (NextHop, error)
	Log     *slog.Logger
}

// The kernel queues what it receives until Raw reads it, and counts what it sends
// until the interface took it. The send buffer is large so that the interface's
// queue discipline, not the socket, decides what a congested uplink drops.
const (
	defaultReceiveBuffer = 4 << 20
	sendBuffer           = 4 << 20
)

// A Raw is a Carrier through IP protocol 47 over IPv4. It has two sockets to send
// with, since "don't fragment" belongs to a socket, and a third that only
// receives: whoever waits for a socket may be woken for every packet that has left
// it. The Go runtime polls none of them (os.NewFile leaves alone what blocks). It needs CAP_NET_RAW, and CAP_NET_ADMIN for queues longer
// than the system's limit.
type Raw struct {
	receive         *socket
	whole, fragment *socket // to send, with "don't fragment" and without
	bypass          *bypass // nil: not wanted
	in              *receiveBatch
	out             sync.Pool // of *sendBatch
	mark            uint32
	counters        rawCounters
}

// OpenRaw opens the sockets. They receive all enhanced GRE that reaches this
// host, whatever its address.
func OpenRaw(cfg RawConfig) (*Raw, error) {
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = defaultReceiveBuffer
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Raw{in: newReceiveBatch(), mark: cfg.Mark}
	r.out.New = func() any { return newSendBatch() }
	var err error
	if r.receive, err = openReceiver(cfg); err != nil {
		return nil, err
	}
	if r.whole, err = openSender(cfg, unix.IP_PMTUDISC_DO); err != nil {
		r.receive.close()
		return nil, err
	}
	if r.fragment, err = openSender(cfg, unix.IP_PMTUDISC_DONT); err != nil {
		r.receive.close()
		r.whole.close()
		return nil, err
	}
	if r.bypass, err = openBypass(cfg); err != nil {
		r.Close()
		return nil, err
	}
	if got := r.receive.option(unix.SO_RCVBUF) / 2; got < cfg.ReceiveBuffer { // the kernel counts double
		cfg.Log.Info("GRE receive queue is shorter than asked", "octets", got, "asked", cfg.ReceiveBuffer)
	}
	return r, nil
}

// Send implements Carrier.
func (r *Raw) Send(path Path, pkts []*packet.Buffer, df bool) error {
	if !path.Remote.Is4() || path.Local.IsValid() && !path.Local.Is4() {
		return fmt.Errorf("from %v to %v: GRE goes over IPv4 only", path.Local, path.Remote)
	}
	s := r.fragment
	if df {
		s = r.whole
	}
	b := r.out.Get().(*sendBatch)
	defer r.out.Put(b)
	if h := r.bypass.find(path, pkts, df); h != nil {
		pkts = r.sendPast(h, b, pkts)
	}
	b.address(path)
	tooBig := 0
	for len(pkts) > 0 {
		b.fill(pkts)
		err := s.send(b)
		r.counters.sent.Add(uint64(b.sent))
		pkts = pkts[b.sent:]
		switch {
		case err == nil:
		case err == unix.EMSGSIZE: // the first of those that are left
			tooBig++
			pkts = pkts[1:]
		case err == unix.EAGAIN || err == unix.ENOBUFS:
			r.counters.sendQueueFull.Add(uint64(len(pkts)))
			pkts = nil
		default:
			return err
		}
	}
	if tooBig > 0 {
		return &TooBigError{MTU: pathMTU(path, r.mark), Packets: tooBig}
	}
	return nil
}

// Receive implements Carrier.
func (r *Raw) Receive(in []Datagram) (int, error) {
	for len(in) > 0 {
		got, err := r.receive.receive(r.in, in)
		if err != nil {
			return 0, err
		}
		if n := r.keep(in[:got]); n > 0 {
			return n, nil
		}
	}
	return 0, nil
}

// Crowd tells how full the queue was when the last batch was taken from it.
func (r *Raw) Crowd() Crowd { return r.in.crowd }

// keep takes the IP headers off, and moves the packets that can be used to the
// front of in.
func (r *Raw) keep(in []Datagram) int {
	r.counters.received.Add(uint64(len(in)))
	n := 0
	for i := range in {
		switch path, headerLen, ok := parseIP(in[i].Buffer.Bytes()); {
		case r.in.truncated(i):
			r.counters.overlong.Add(1)
		case !ok:
			r.counters.badIPHeader.Add(1)
		default:
			in[i].Path = path
			in[i].Buffer.TrimFront(headerLen)
			in[n], in[i] = in[i], in[n]
			n++
		}
	}
	return n
}

// Close implements Carrier.
func (r *Raw) Close() error {
	r.bypass.close()
	r.whole.close()
	r.fragment.close()
	r.receive.close()
	return nil
}
