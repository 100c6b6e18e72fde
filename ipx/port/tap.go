package port

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"

	"sitebridge/ipx"
)

// TAPConfig describes a port that is a TAP interface of its own.
type TAPConfig struct {
	// Name of the interface, to which the host joins virtual machines by a
	// bridge.
	Name string
	// MAC is our address on the wire behind the interface; zero: random. The
	// interface itself, which is the host's end of that wire, has another one.
	MAC ipx.Node
	Log *slog.Logger
}

// OpenTAP makes a TAP interface and brings it up. It is gone with the port; if
// somebody else deletes it, Run makes it again.
func OpenTAP(cfg TAPConfig) (Port, error) {
	if cfg.MAC.IsZero() {
		rand.Read(cfg.MAC[:])
		cfg.MAC[0] = cfg.MAC[0]&^1 | 2 // locally administered, no group (IEEE 802)
	}
	d, err := openTAP(cfg)
	if err != nil {
		return nil, err
	}
	p := &kernelPort{open: func() (*device, error) { return openTAP(cfg) }}
	return p.start(cfg.Name, cfg.Log, d), nil
}

func openTAP(cfg TAPConfig) (*device, error) {
	ifce, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: cfg.Name},
	})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("make TAP interface %s: %w (is the kernel's module tun loaded?)", cfg.Name, err)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("make TAP interface %s: %w: CAP_NET_ADMIN, and access to /dev/net/tun (chmod 666 it, as Debian does, or give it to a group that this user is in)", cfg.Name, ErrPrivilege)
	case err != nil:
		return nil, fmt.Errorf("make TAP interface %s: %w", cfg.Name, err)
	}
	file, ok := ifce.ReadWriteCloser.(*os.File) // which has deadlines and a RawConn
	if !ok {
		return nil, errors.Join(fmt.Errorf("TAP interface %s is a %T", cfg.Name, ifce.ReadWriteCloser), ifce.Close())
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = setLinkUp(cfg.Name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up TAP interface %s: %w", cfg.Name, err), file.Close())
	}
	return &device{file: file, raw: raw, out: raw, mac: cfg.MAC, oneByOne: true}, nil
}

func setLinkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
