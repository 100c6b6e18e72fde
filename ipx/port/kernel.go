package port

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// reopenWait is the time between two looks whether an interface is back.
const reopenWait = 250 * time.Millisecond

// ErrPrivilege says that the process may not open a port.
var ErrPrivilege = errors.New("missing capability")

// A device is an open way to the wire. It dies with its interface.
type device struct {
	file interface {
		SetReadDeadline(time.Time) error
		Close() error
	}
	raw      syscall.RawConn // receives
	out      syscall.RawConn // sends
	index    int             // of the interface, of a LAN
	mac      ipx.Node
	oneByOne bool          // takes and gives one frame a call
	lost     func() uint64 // frames that found no room in its queue since the last call; nil: unknown
}

// A kernelPort is a Port on an interface of the kernel's. Its device comes and
// goes with the interface.
type kernelPort struct {
	common
	log     *slog.Logger
	open    func() (*device, error) // fails while the interface is not there and up
	changed func(ipx.Node)
	put     func(*outgoing) error // putOnDevice, made once
	device  atomic.Pointer[device]

	mu     sync.Mutex // guards closed, and device against a Close while Run opens one
	closed bool
}

// start makes p a Port with its first device, nil for none yet.
func (p *kernelPort) start(name string, log *slog.Logger, d *device) Port {
	p.name, p.put, p.log = name, p.putOnDevice, log
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.mac.Store(new(ipx.Node))
	if d != nil {
		p.mac.Store(&d.mac)
		p.device.Store(d)
	}
	return p
}

func (p *kernelPort) Up() bool { return p.device.Load() != nil }

// Stats also asks the kernel how many frames its queue had no room for.
func (p *kernelPort) Stats() Stats {
	p.countLost(p.device.Load())
	return p.count.stats()
}

func (p *kernelPort) countLost(d *device) {
	if d != nil && d.lost != nil {
		p.count.dropped[dropReceiveQueueFull].Add(d.lost())
	}
}

func (p *kernelPort) Send(encap ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error {
	return p.send(encap, dst, src, pkts, p.put)
}

func (p *kernelPort) putOnDevice(o *outgoing) error {
	if d := p.device.Load(); d != nil {
		put := o.mmsg
		if d.oneByOne {
			put = o.write
		}
		if d.out.Control(put) == nil {
			return nil
		}
	}
	o.failed(len(o.frames), dropInterfaceDown) // or closed just now
	return ErrDown
}

func (p *kernelPort) Run(ctx context.Context, h Handler) error {
	d := p.device.Load()
	if d == nil && p.absent() {
		p.log.Warn("there is no such interface yet; waiting for it", "interface", p.name)
		if d = p.reopen(ctx); d != nil {
			p.log.Info("interface there", "interface", p.name, "mac", p.MAC())
		}
	}
	for d != nil {
		err := p.receive(ctx, d, h)
		if ctx.Err() != nil {
			return nil
		}
		if !p.replace(d, nil) {
			break
		}
		p.log.Warn("interface gone", "interface", p.name, "error", err)
		if d = p.reopen(ctx); d == nil {
			break
		}
		p.count.reopened.Add(1)
		p.log.Info("interface back", "interface", p.name, "mac", p.MAC())
	}
	if ctx.Err() != nil {
		return nil
	}
	return net.ErrClosed
}

// receive hands batches to h until the device fails or ctx ends.
func (p *kernelPort) receive(ctx context.Context, d *device, h Handler) error {
	stop := context.AfterFunc(ctx, func() { d.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	in := newIncoming()
	defer in.close()
	get := in.mmsg
	if d.oneByOne {
		get = in.read
	}
	for {
		if err := d.raw.Read(get); err != nil {
			return err
		}
		if in.errno != 0 {
			return os.NewSyscallError("read frames", in.errno)
		}
		p.deliver(in.frames(), h)
	}
}

// reopen waits until the interface is back, and returns its new device, or nil
// when nobody wants it any more.
func (p *kernelPort) reopen(ctx context.Context) *device {
	tick := time.NewTicker(reopenWait)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		d, err := p.open()
		if err != nil {
			d = nil
		}
		old := p.mac.Load()
		switch {
		case !p.replace(nil, d):
			return nil
		case d == nil:
			continue
		}
		if *old != d.mac && p.changed != nil {
			p.changed(d.mac)
		}
		return d
	}
}

// absent reports that the port was opened without its interface, and is not closed.
func (p *kernelPort) absent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed
}

// replace puts d, which may be nil, in the place of old, which it closes. It
// reports false when the port is closed, and then closes d.
func (p *kernelPort) replace(old, d *device) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		if d != nil {
			d.file.Close() // nobody has used it
		}
		return false
	}
	if d != nil {
		p.mac.Store(&d.mac)
	}
	p.device.Store(d)
	if old != nil {
		p.countLost(old)
		old.file.Close() // it has failed already
	}
	return true
}

// Close ends Run and lets the interface go.
func (p *kernelPort) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if d := p.device.Swap(nil); d != nil {
		return d.file.Close()
	}
	return nil
}
