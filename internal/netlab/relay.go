package netlab

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab/fault"
)

// A Direction is one of the two of a Relay.
type Direction int

// The directions.
const (
	AToB Direction = iota
	BToA
)

func (d Direction) other() Direction { return 1 - d }

// A Relay is a bad line: what comes in at one interface leaves by the other, as the
// faults of its direction will have it. In the beginning it is a good line.
type Relay struct {
	ports   [2]*os.File // of A and of B
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows, and writing
	lines  [2]*fault.Line
	nat    *fault.NAT
	watch  func(Direction, []byte)
	queues [2]queue // by direction: what is under way
	timers [2]*time.Timer
	sent   uint64 // orders what comes out at the same time
	failed [2]uint64
	closed bool
}

// Relay joins two interfaces by a bad line, until the lab is closed. The cables that
// end there must begin at interfaces that are Plain, so that each frame is one that
// could be on a wire. Two relays with the same seed do the same to the same frames.
func (l *Lab) Relay(a *Namespace, aName string, b *Namespace, bName string, seed uint64) *Relay {
	l.helper()
	r := &Relay{lines: [2]*fault.Line{fault.NewLine(seed), fault.NewLine(seed + 1)}}
	l.step(fmt.Sprintf("relay %s.%s - %s.%s", a.name, aName, b.name, bName), func() (err error) {
		if r.ports[0], err = a.relayPort(aName); err != nil {
			return err
		}
		if r.ports[1], err = b.relayPort(bName); err != nil {
			return errors.Join(err, r.ports[0].Close())
		}
		for d := range r.timers {
			r.timers[d] = time.AfterFunc(time.Hour, func() { r.flush(Direction(d)) })
			r.running.Go(func() { r.run(Direction(d)) })
		}
		l.mu.Lock()
		l.relays = append(l.relays, r)
		l.mu.Unlock()
		return nil
	})
	return r
}

// relayPort opens an interface for all that comes in there, and for sending.
func (ns *Namespace) relayPort(name string) (f *os.File, err error) {
	link, err := ns.handle.LinkByName(name)
	if err != nil {
		return nil, err
	}
	var fd int
	if err := ns.Do(func() (err error) { fd, err = packetSocket(link.Attrs().Index); return err }); err != nil {
		return nil, err
	}
	f = os.NewFile(uintptr(fd), "relay of "+name)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(link.Attrs().Index), Type: unix.PACKET_MR_PROMISC}),
	)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Set makes faults begin, and others end, in one direction. What is under way stays so.
func (r *Relay) Set(d Direction, f fault.Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[d].Set(f)
}

// Both is Set for both directions.
func (r *Relay) Both(f fault.Faults) {
	r.Set(AToB, f)
	r.Set(BToA, f)
}

// Hide puts B behind a NAT. nil: behind none.
func (r *Relay) Hide(n *fault.NAT) { r.Change(func() { r.nat = n }) }

// Change does something to the NAT, such as to give it another address, while no frame
// is in its hands.
func (r *Relay) Change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// Watch has fn see each frame before anything happens to it, one at a time. It must
// not wait for the relay.
func (r *Relay) Watch(fn func(d Direction, frame []byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = fn
}

// Inject lets a frame out that has not come in, or came in long ago, past all faults.
func (r *Relay) Inject(d Direction, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.write(d, frame)
	}
}

// Stats returns what became of the frames of a direction so far.
func (r *Relay) Stats(d Direction) fault.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[d].Stats()
}

// run takes in what one end sends, until its port is closed.
func (r *Relay) run(d Direction) {
	buf := make([]byte, 1<<16)
	for {
		n, err := r.ports[d].Read(buf)
		switch {
		case errors.Is(err, unix.ENETDOWN):
			continue // it may come back
		case err != nil: // closed, or the interface is no more
			return
		}
		r.take(d, append([]byte(nil), buf[:n]...))
	}
}

// take is what the line does to a frame.
func (r *Relay) take(d Direction, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch != nil {
		r.watch(d, frame)
	}
	if r.nat != nil && d == BToA && !r.nat.Out(frame) {
		return
	}
	for _, out := range r.lines[d].Pass(time.Now(), frame) {
		to := d
		if out.Back {
			to = d.other()
		}
		if r.nat != nil && to == AToB && !r.nat.In(out.Frame) {
			continue
		}
		r.sent++
		heap.Push(&r.queues[to], waiting{out.At, r.sent, out.Frame})
		r.flushLocked(to)
	}
}

func (r *Relay) flush(d Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushLocked(d)
}

// flushLocked lets out what is due, and sees to it that this is done again in time.
func (r *Relay) flushLocked(d Direction) {
	now, q := time.Now(), &r.queues[d]
	for len(*q) > 0 && !r.closed {
		if wait := (*q)[0].at.Sub(now); wait > 0 {
			r.timers[d].Reset(wait)
			return
		}
		r.write(d, heap.Pop(q).(waiting).frame)
	}
}

func (r *Relay) write(d Direction, frame []byte) {
	if _, err := r.ports[d.other()].Write(frame); err != nil {
		r.failed[d]++ // the interface is down, or its queue is full: lost, as on any line
	}
}

// close ends the line. What is under way is lost.
func (r *Relay) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for d := range r.ports {
		r.timers[d].Stop()
		r.ports[d].Close()
	}
	r.running.Wait()
}

// A queue is a heap of what is under way.
type queue []waiting

type waiting struct {
	at    time.Time
	order uint64
	frame []byte
}

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(waiting)) }
func (q queue) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].order < q[j].order
	}
	return q[i].at.Before(q[j].at)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = waiting{}
	*q = (*q)[:last]
	return x
}

// Plain has the kernel send finished frames by an interface: with their checksums,
// and none longer than its MTU. A cable leaves both to whoever is at its end.
func (ns *Namespace) Plain(name string) {
	ns.lab.helper()
	ns.step(name+": offload off", func() error {
		return ns.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			for _, feature := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_STXCSUM} {
				if err := ethtool(fd, name, feature, 0); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// ethtool sets a value of an interface (SIOCETHTOOL, struct ethtool_value).
func ethtool(fd int, name string, command, value uint32) error {
	arg := struct{ command, value uint32 }{command, value}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&arg)}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}
