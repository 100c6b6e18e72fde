package netlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Namespace is one host of a lab.
type Namespace struct {
	lab    *Lab
	name   string
	file   *os.File        // holds the network namespace
	handle *netlink.Handle // its socket is inside
	calls  chan func()     // to the keeper; closed by close

	mu        sync.Mutex // guards what follows
	processes []*os.Process
	closed    bool
}

var errClosed = errors.New("namespace is closed")

// newNamespace makes a network namespace and the thread that keeps it. The
// keeper starts all processes of the namespace: they inherit its network, and
// they get their death signal when it ends.
func newNamespace(lab *Lab, name string) (*Namespace, error) {
	ns := &Namespace{lab: lab, name: name, calls: make(chan func())}
	ready := make(chan error)
	go onOwnThread(func() {
		err := ns.unshare()
		ready <- err
		if err != nil {
			return
		}
		for call := range ns.calls {
			call()
		}
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return ns, nil
}

// unshare gives the calling thread a network of its own.
func (ns *Namespace) unshare() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare network: %w", err)
	}
	if ns.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	if ns.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return errors.Join(err, ns.file.Close())
	}
	return setUpHost()
}

// onOwnThread runs fn on a thread that no other goroutine ever uses: it is not
// unlocked, so the runtime ends it with this goroutine. The main thread is left
// alone, because it stands for the whole process in /proc.
func onOwnThread(fn func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		fn()
		return
	}
	done := make(chan struct{})
	go func() { // gets another thread, as long as this goroutine blocks the main one
		defer close(done)
		onOwnThread(fn)
	}()
	<-done
	runtime.UnlockOSThread()
}

// setUpHost brings up loopback and switches duplicate address detection off, in
// the calling thread's network.
func setUpHost() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	for _, conf := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/accept_dad", []byte("0"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return err
		}
	}
	return nil
}

// Name returns the name the namespace was made with.
func (ns *Namespace) Name() string { return ns.name }

// Handle returns a netlink handle that acts inside the namespace, for whatever
// the lab has no call for.
func (ns *Namespace) Handle() *netlink.Handle { return ns.handle }

// Do runs fn on a thread of its own inside the namespace. Sockets and devices
// that fn opens stay there; goroutines that it starts do not run there.
func (ns *Namespace) Do(fn func() error) error {
	if ns.file == nil {
		return errClosed
	}
	ended := make(chan error, 1)
	go onOwnThread(func() {
		err := errors.New("fn did not return") // it left by runtime.Goexit, as t.Fatal does
		defer func() { ended <- err }()
		if err = netns.Set(netns.NsHandle(ns.file.Fd())); err != nil {
			err = fmt.Errorf("enter namespace %s: %w", ns.name, err)
			return
		}
		err = errors.New("fn did not return")
		err = fn()
	})
	return <-ended
}

// Sysctl sets a kernel variable of the namespace, such as
// "net.ipv4.ip_forward". A key with a slash is taken as a path, for interface
// names with a dot.
func (ns *Namespace) Sysctl(key, value string) {
	ns.step("set "+key, func() error {
		path := key
		if !strings.Contains(key, "/") {
			path = strings.ReplaceAll(key, ".", "/")
		}
		return ns.Do(func() error { return os.WriteFile("/proc/sys/"+path, []byte(value), 0) })
	})
}

// Forward makes the host a router, for IPv4 and IPv6.
func (ns *Namespace) Forward() {
	ns.Sysctl("net.ipv4.ip_forward", "1")
	ns.Sysctl("net.ipv6.conf.all.forwarding", "1")
}

// step is a step of the lab's script that concerns this host.
func (ns *Namespace) step(what string, do func() error) {
	ns.lab.helper()
	ns.lab.step(ns.name+": "+what, do)
}

// close kills the host's processes and lets the network go.
func (ns *Namespace) close() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.closed {
		return
	}
	ns.closed = true
	for _, p := range ns.processes {
		p.Kill() // it may have ended
	}
	close(ns.calls)
	ns.handle.Close()
	ns.file.Close()
}
