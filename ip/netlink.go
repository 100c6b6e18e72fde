package ip

import (
	"net"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

// A kernel asks the kernel on a goroutine of its own. A question of package netlink
// takes 64 KiB of stack, and a stack that has grown shrinks late or, of who asks once a
// minute, never: a thousand sites with two goroutines each that ask would hold 256 MiB.
type kernel struct {
	nl   *netlink.Handle
	asks chan func()

	once   sync.Once
	closed chan struct{}
}

func newKernel(nl *netlink.Handle) *kernel {
	k := &kernel{nl: nl, asks: make(chan func()), closed: make(chan struct{})}
	go k.run()
	return k
}

// run asks until Close. It must grow its stack but once.
func (k *kernel) run() {
	for {
		select {
		case ask := <-k.asks:
			ask()
		case <-k.closed:
			return
		}
	}
}

// Close ends the goroutine, and closes the sockets.
func (k *kernel) Close() {
	k.once.Do(func() {
		close(k.closed)
		k.nl.Close()
	})
}

// do has the kernel asked and waits for the answer.
func (k *kernel) do(ask func() error) (err error) {
	answered := make(chan struct{})
	select {
	case k.asks <- func() { defer close(answered); err = ask() }:
		<-answered
		return err
	case <-k.closed:
		return net.ErrClosed
	}
}

// list is do for a question that has more of an answer.
func list[T any](k *kernel, ask func() (T, error)) (answer T, err error) {
	err = k.do(func() error { answer, err = ask(); return err })
	return answer, err
}

func (k *kernel) LinkByName(name string) (netlink.Link, error) {
	return list(k, func() (netlink.Link, error) { return k.nl.LinkByName(name) })
}

func (k *kernel) LinkByIndex(index int) (netlink.Link, error) {
	return list(k, func() (netlink.Link, error) { return k.nl.LinkByIndex(index) })
}

func (k *kernel) LinkList() ([]netlink.Link, error) { return list(k, k.nl.LinkList) }

func (k *kernel) LinkSetUp(l netlink.Link) error {
	return k.do(func() error { return k.nl.LinkSetUp(l) })
}

func (k *kernel) LinkSetMTU(l netlink.Link, mtu int) error {
	return k.do(func() error { return k.nl.LinkSetMTU(l, mtu) })
}

func (k *kernel) LinkSetIP6AddrGenMode(l netlink.Link, mode int) error {
	return k.do(func() error { return k.nl.LinkSetIP6AddrGenMode(l, mode) })
}

func (k *kernel) QdiscReplace(q netlink.Qdisc) error {
	return k.do(func() error { return k.nl.QdiscReplace(q) })
}

func (k *kernel) AddrList(l netlink.Link, family int) ([]netlink.Addr, error) {
	return list(k, func() ([]netlink.Addr, error) { return k.nl.AddrList(l, family) })
}

func (k *kernel) AddrAdd(l netlink.Link, a *netlink.Addr) error {
	return k.do(func() error { return k.nl.AddrAdd(l, a) })
}

func (k *kernel) AddrDel(l netlink.Link, a *netlink.Addr) error {
	return k.do(func() error { return k.nl.AddrDel(l, a) })
}

func (k *kernel) RouteGetWithOptions(to net.IP, o *netlink.RouteGetOptions) ([]netlink.Route, error) {
	return list(k, func() ([]netlink.Route, error) { return k.nl.RouteGetWithOptions(to, o) })
}

func (k *kernel) RouteListFiltered(family int, filter *netlink.Route, mask uint64) ([]netlink.Route, error) {
	return list(k, func() ([]netlink.Route, error) { return k.nl.RouteListFiltered(family, filter, mask) })
}

func (k *kernel) RouteAdd(r *netlink.Route) error {
	return k.do(func() error { return k.nl.RouteAdd(r) })
}

func (k *kernel) RouteDel(r *netlink.Route) error {
	return k.do(func() error { return k.nl.RouteDel(r) })
}

func (k *kernel) RuleList(family int) ([]netlink.Rule, error) {
	return list(k, func() ([]netlink.Rule, error) { return k.nl.RuleList(family) })
}

func (k *kernel) RuleAdd(r *netlink.Rule) error {
	return k.do(func() error { return k.nl.RuleAdd(r) })
}

func (k *kernel) RuleDel(r *netlink.Rule) error {
	return k.do(func() error { return k.nl.RuleDel(r) })
}

// Execute is for what package netlink has no function for.
func (k *kernel) Execute(req *nl.NetlinkRequest, protocol int, kind uint16) ([][]byte, error) {
	return list(k, func() ([][]byte, error) { return req.Execute(protocol, kind) })
}

// ExecuteIter is Execute that gives one part of the answer after the other.
func (k *kernel) ExecuteIter(req *nl.NetlinkRequest, protocol int, kind uint16, part func([]byte) bool) error {
	return k.do(func() error { return req.ExecuteIter(protocol, kind, part) })
}
