package port

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	mdpacket "github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sitebridge/ipx"
)

// LANConfig describes a port on an interface of the host.
type LANConfig struct {
	Interface string
	// Promiscuous takes in what is for other stations too, as bridging needs.
	Promiscuous bool
	// Wait opens the port also while there is no such interface: Run waits for it, as
	// for one that goes later.
	Wait bool
	// Changed is called by Run when the interface came back with another MAC
	// address, as one that was made anew does.
	Changed func(mac ipx.Node)
	Log     *slog.Logger
}

// errAbsent marks an error: there is no such interface. It adds nothing to its words.
var errAbsent = errors.New("")

// queueLen is how many octets of frames the kernel may hold for us, and how
// many of ours it may hold for the wire.
const queueLen = 1 << 20

// OpenLAN opens a port on an Ethernet interface, which must be there unless Wait says
// otherwise; if it is not up yet, Run waits for that.
//
// The interface's offloads may stay on. They change frames whose checksums or
// cutting the host leaves to the hardware, and IPX has neither.
func OpenLAN(cfg LANConfig) (Port, error) {
	d, err := openSocket(cfg, false)
	if errors.Is(err, errAbsent) && cfg.Wait {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	p := &kernelPort{
		open:    func() (*device, error) { return openSocket(cfg, true) },
		changed: cfg.Changed,
	}
	return p.start(cfg.Interface, cfg.Log, d), nil
}

// openSocket opens a packet socket on the interface as it is now. The socket is
// bound to all protocols, because frames with a length have none; its filter,
// in place before it is bound, picks IPX.
func openSocket(cfg LANConfig, mustBeUp bool) (*device, error) {
	d, err := openFiltered(cfg, mustBeUp, socketFilter)
	if err != nil {
		return nil, err
	}
	if err := d.addSender(cfg.Interface); err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket on %s to send: %w", cfg.Interface, err), d.file.Close())
	}
	return d, nil
}

// openFiltered opens the socket that receives, with a filter of that kind.
func openFiltered(cfg LANConfig, mustBeUp bool, assemble func(promiscuous bool) ([]bpf.RawInstruction, error)) (*device, error) {
	ifi, err := net.InterfaceByName(cfg.Interface)
	if op, is := errors.AsType[*net.OpError](err); is {
		err = op.Err // without "route ip+net", which nobody has asked for
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("interface %s: %w%w: `ip link` lists those that are there", cfg.Interface, errAbsent, err)
	case len(ifi.HardwareAddr) != len(ipx.Node{}):
		return nil, fmt.Errorf("interface %s is no Ethernet: it has no MAC address of 6 octets", cfg.Interface)
	case mustBeUp && ifi.Flags&net.FlagUp == 0: // a socket there would fail at its first read
		return nil, fmt.Errorf("interface %s: %w", cfg.Interface, ErrDown)
	}
	mac := ipx.Node(ifi.HardwareAddr)
	filter, err := assemble(cfg.Promiscuous)
	if err != nil {
		return nil, fmt.Errorf("assemble filter: %w", err)
	}
	conn, err := mdpacket.Listen(ifi, mdpacket.Raw, unix.ETH_P_ALL, &mdpacket.Config{Filter: filter})
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("open packet socket on %s: %w: CAP_NET_RAW", cfg.Interface, ErrPrivilege)
	} else if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", cfg.Interface, err)
	}
	raw, err := setUp(conn, cfg.Promiscuous)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up packet socket on %s: %w", cfg.Interface, err), conn.Close())
	}
	return &device{file: conn, raw: raw, index: ifi.Index, mac: mac, lost: func() uint64 { return queueDrops(conn) }}, nil
}

func setUp(conn *mdpacket.Conn, promiscuous bool) (syscall.RawConn, error) {
	if promiscuous {
		if err := conn.SetPromiscuous(true); err != nil {
			return nil, err
		}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return raw, raw.Control(func(fd uintptr) {
		setQueue(int(fd), unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	})
}

// setQueue makes a queue queueLen long, or as long as the host lets it be if we
// may not exceed that (CAP_NET_ADMIN). A shorter queue works too.
func setQueue(fd, forced, modest int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, forced, queueLen) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, modest, queueLen)
	}
}

// queueDrops returns how many frames found the queue full since it was last
// called (packet(7), PACKET_STATISTICS).
func queueDrops(conn *mdpacket.Conn) uint64 {
	stats, err := conn.Stats()
	if err != nil {
		return 0 // closed
	}
	return uint64(stats.Drops)
}
