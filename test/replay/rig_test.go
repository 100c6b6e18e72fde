package replay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// The two sites and their LANs.
const (
	sideA = iota
	sideB
	sides
)

// An oracle foretells what leaves on each LAN, and in which order for each
// receiver, when a frame is heard on one.
type oracle interface {
	hear(side int, f frame) (out [sides][]frame)
	// overhear looks at a frame on a LAN. Those that our own end says unasked it
	// takes, and tells what is wrong with them.
	overhear(side int, f frame) (ours bool, wrong string)
}

// outputs gathers what leaves on the LANs.
type outputs = [sides][]frame

// A rig is two daemons whose LANs are played on.
type rig struct {
	t       *testing.T
	daemons [sides]*lab.Daemon
	macs    [sides]node // of the daemons on their LANs
	wires   [sides]*wire
	oracle  oracle
	// probe makes frames that are heard on one side and foretold to leave
	// something. When that has come of one after the other, all that was heard
	// before has been handled, and what was to leave has left.
	probe  func(side, n int) []frame
	probes int
	// keep asks for the routed packets that are heard, for take.
	keep bool
	kept [sides][]pkt
}

// start starts both daemons and waits for the tunnel.
func start(t *testing.T, ca, cb lab.Config) *rig {
	w := lab.New(t)
	r := &rig{t: t}
	for side, host := range []*netlab.Namespace{w.HostA, w.HostB} {
		r.wires[side] = listen(t, host)
	}
	for side, site := range []*netlab.Namespace{w.SiteA, w.SiteB} {
		link, err := site.Handle().LinkByName("lan")
		if err != nil {
			t.Fatal(err)
		}
		r.macs[side] = node(link.Attrs().HardwareAddr)
	}
	ca.IP, cb.IP = "none", "none"
	r.daemons = [sides]*lab.Daemon{w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())}
	r.daemons[sideA].WaitUp("b")
	r.daemons[sideB].WaitUp("a")
	return r
}

// burst is how many frames are played at a time, so that no queue of a slow
// machine overflows.
const burst = 32

// play plays frames on one side, and compares what comes out on both.
func (r *rig) play(what string, side int, frames []frame) {
	r.t.Helper()
	for part := range slices.Chunk(frames, burst) {
		r.burst(what, side, part)
	}
}

func (r *rig) burst(what string, side int, frames []frame) {
	r.t.Helper()
	var want outputs
	var got [sides][][]byte
	say := func(f frame) outputs {
		out := r.oracle.hear(side, f)
		for s := range out {
			want[s] = append(want[s], out[s]...)
		}
		r.wires[side].send(r.t, f.played())
		return out
	}
	for _, f := range frames {
		say(f)
	}
	r.probes++
	for _, f := range r.probe(side, r.probes) { // one after the other
		for s, last := range say(f) {
			got[s] = append(got[s], r.until(s, last)...)
		}
	}
	for s := range r.wires {
		r.compare(fmt.Sprintf("%s, played on %c, heard on %c", what, 'A'+side, 'A'+s), got[s], want[s])
		for _, b := range got[s] {
			if f, _ := open(b); r.keep && f.pkt.hops() > 0 && f.pkt.srcNode() != stranger[side] {
				r.kept[s] = append(r.kept[s], f.pkt)
			}
		}
	}
}

// take returns the routed packets that were heard on each side.
func (r *rig) take() (onA, onB []pkt) {
	onA, onB = r.kept[sideA], r.kept[sideB]
	r.kept = [sides][]pkt{}
	return onA, onB
}

// compare compares what was heard with what was foretold. Frames of one sender
// to one receiver in one frame type keep their order; batches are sorted by
// receiver.
func (r *rig) compare(what string, got [][]byte, want []frame) {
	r.t.Helper()
	heard, foretold := make(map[string][][]byte), make(map[string][][]byte)
	for _, b := range got {
		heard[flow(b)] = append(heard[flow(b)], b)
	}
	for _, f := range want {
		b := f.wire()
		foretold[flow(b)] = append(foretold[flow(b)], b)
	}
	for key, frames := range heard {
		if len(frames) > len(foretold[key]) {
			r.t.Errorf("%s: %d frames %s, want %d; the last:\n%x", what, len(frames), key, len(foretold[key]), frames[len(frames)-1])
		}
	}
	for key, frames := range foretold {
		if len(frames) > len(heard[key]) {
			r.t.Errorf("%s: %d frames %s, want %d; the last:\n%x", what, len(heard[key]), key, len(frames), frames[len(frames)-1])
			continue
		}
		for i, b := range frames {
			if !bytes.Equal(heard[key][i], b) {
				r.t.Errorf("%s: frame %d %s\n%x, want\n%x", what, i, key, heard[key][i], b)
				break
			}
		}
	}
	if r.t.Failed() {
		r.t.FailNow() // what follows would only repeat it
	}
}

// flow names the sender, the receiver and the frame type.
func flow(b []byte) string {
	f, _ := open(b)
	return fmt.Sprintf("%x to %x in %v", f.src, f.dst, f.enc)
}

// A wire is a host's raw socket on its LAN.
type wire struct {
	socket *os.File
	heard  chan []byte
}

// listen opens a raw socket that hears IPX.
func listen(t *testing.T, host *netlab.Namespace) *wire {
	t.Helper()
	w := &wire{heard: make(chan []byte, 4096)}
	err := host.Do(func() (err error) {
		w.socket, err = rawSocket("lan", host)
		return err
	})
	if err != nil {
		t.Fatalf("raw socket of %s: %v", host.Name(), err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run()
	}()
	t.Cleanup(func() {
		w.socket.Close()
		for { // run may wait for room
			select {
			case <-w.heard:
			case <-ended:
				return
			}
		}
	})
	return w
}

// rawSocket opens a packet socket that hears what others send on an interface.
func rawSocket(ifname string, host *netlab.Namespace) (*os.File, error) {
	link, err := host.Handle().LinkByName(ifname)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // a burst fits a smaller one
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Attrs().Index}),
	)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), ifname), nil
}

// run hears IPX until the socket is closed.
func (w *wire) run() {
	buf := make([]byte, 1<<16)
	for {
		n, err := w.socket.Read(buf)
		if err != nil {
			return
		}
		if _, ok := open(buf[:n]); ok {
			w.heard <- slices.Clone(buf[:n])
		}
	}
}

func (w *wire) send(t *testing.T, b []byte) {
	t.Helper()
	if _, err := w.socket.Write(b); err != nil {
		t.Fatalf("send %d octets: %v", len(b), err)
	}
}

// until returns what is heard on a side until all of last has been, but for what
// the oracle takes.
func (r *rig) until(side int, last []frame) (got [][]byte) {
	r.t.Helper()
	var missing [][]byte
	for _, f := range last {
		missing = append(missing, f.wire())
	}
	hear := func(b []byte) {
		if r.overheard(side, b) {
			return
		}
		got = append(got, b)
		if i := slices.IndexFunc(missing, func(m []byte) bool { return bytes.Equal(m, b) }); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		}
	}
	give := time.NewTimer(lab.Patience)
	defer give.Stop()
	for len(missing) > 0 {
		select {
		case b := <-r.wires[side].heard:
			hear(b)
		case <-give.C:
			for i, b := range got[max(0, len(got)-5):] {
				r.t.Logf("heard, %d: %x", i, b)
			}
			r.t.Fatalf("in vain: a frame that tells that all was handled:\n%x", missing[0])
		}
	}
	for {
		select {
		case b := <-r.wires[side].heard:
			hear(b)
		default:
			return got
		}
	}
}

// overheard shows the oracle a frame, and reports whether it took it.
func (r *rig) overheard(side int, b []byte) bool {
	r.t.Helper()
	f, _ := open(b)
	ours, wrong := r.oracle.overhear(side, f)
	if wrong != "" {
		r.t.Errorf("heard on %c: %s", 'A'+side, wrong)
	}
	return ours
}
