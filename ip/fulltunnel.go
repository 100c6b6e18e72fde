package ip

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A full tunnel's route (0.0.0.0/0, or any other that covers the peer's own
// address) would catch the tunnel's own packets. Such a route therefore goes to
// a table of its own, and two rules of the policy database (ip-rule(8)) decide:
//
//	17486: lookup main suppress_prefixlength 0
//	17487: not fwmark 0x5b1d lookup 172300
//
// Whatever the main table knows better than the tunnel, by a longer prefix, goes
// there; everything else goes into the tunnel, unless it carries our Mark. The
// unreachable route of the prefix lies in the same table, so that nothing leaks
// to the default route of the main one when the tunnel is down. There is one
// pair of rules for each prefix length, longer ones first.
const (
	tunnelTable      = 172300 // + prefix length
	peerRulePriority = 17229
	rulePriority     = 17230 // + 2 * (128 - prefix length)
)

// A ruleKey is a purpose that rules are for: a prefix length, or a peer.
type ruleKey struct {
	family, bits int
	peer         netip.Addr
}

// heldRules are in the kernel as long as somebody holds them.
type heldRules struct {
	holders int
	undo    func() error
}

// Covering returns those of the routes that must be protected: the ones that
// cover a peer's own address, and default routes, which must not share a table
// with the host's own. The peers are in order, as netip.Addr.Compare has it.
func Covering(routes []netip.Prefix, peers []netip.Addr) []netip.Prefix {
	var covering []netip.Prefix
	for _, r := range routes {
		if r.Bits() == 0 || len(Inside(r, peers)) > 0 {
			covering = append(covering, r)
		}
	}
	return covering
}

// Inside returns the part of the peers, which are in order, that a route covers.
func Inside(r netip.Prefix, peers []netip.Addr) []netip.Addr {
	r = unmap(r).Masked()
	from, _ := slices.BinarySearchFunc(peers, r.Addr(), netip.Addr.Compare)
	peers = peers[from:]
	for n, a := range peers {
		if !r.Contains(a) {
			return peers[:n]
		}
	}
	return peers
}

// ProtectMarked keeps packets that carry Mark out of the tunnels that the
// prefixes are routed into. It comes before InstallUnreachable and InstallLive of
// the same prefixes, which then use the prefix's own table, and is undone after
// they are.
func (h *Host) ProtectMarked(prefixes []netip.Prefix) (undo func() error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	undo, err = doAll(prefixes, h.protect)
	return h.locked(undo), err
}

func (h *Host) protect(p netip.Prefix) (undo func() error, err error) {
	p = unmap(p).Masked()
	release, err := h.holdRules(ruleKey{family: family(p.Addr()), bits: p.Bits()})
	if err != nil {
		return nil, err
	}
	h.protected[p]++
	return func() error {
		if h.protected[p]--; h.protected[p] == 0 {
			delete(h.protected, p)
		}
		return release()
	}, nil
}

// ProtectPeer lets what a peer sends to this host, outside of the tunnel, pass
// the kernel's reverse path filter. The filter looks up the way back to the
// peer without the mark, finds it in the tunnel, or nowhere while that is down,
// and drops the packet: with rp_filter = 1 always, with 2, which systemd sets,
// while the tunnel is down, which then never comes up. One more rule shows it
// the right way:
//
//	17229: to PEER iif lo lookup main
//
// The price is that the host's own unmarked packets to that one address take
// it too. What is forwarded does not: it has another input interface.
func (h *Host) ProtectPeer(peer netip.Addr) (undo func() error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	peer = peer.Unmap()
	undo, err = h.holdRules(ruleKey{family: family(peer), peer: peer})
	if err != nil {
		return nil, err
	}
	return h.locked(sync.OnceValue(undo)), nil
}

// table returns the table that a prefix's routes belong in.
func (h *Host) table(p netip.Prefix) int {
	if h.protected[p] > 0 {
		return tunnelTable + p.Bits()
	}
	return unix.RT_TABLE_MAIN
}

// holdRules adds the rules of a purpose, unless they are there, and deletes them
// when the last holder lets go.
func (h *Host) holdRules(key ruleKey) (release func() error, err error) {
	held := h.rules[key]
	if held == nil {
		undo, err := doAll(rulesOf(key), h.addRule)
		if err != nil {
			return nil, err
		}
		held = &heldRules{undo: undo}
		h.rules[key] = held
	}
	held.holders++
	return func() error {
		if held.holders--; held.holders > 0 {
			return nil
		}
		delete(h.rules, key)
		return held.undo()
	}, nil
}

// rulesOf returns the rules of a purpose, in the order in which they are looked
// at.
func rulesOf(key ruleKey) []*netlink.Rule {
	if key.peer.IsValid() {
		rule := netlink.NewRule()
		rule.Family = key.family
		rule.Priority = peerRulePriority
		rule.Dst = ipNet(netip.PrefixFrom(key.peer, key.peer.BitLen()))
		rule.IifName = "lo"
		rule.Table = unix.RT_TABLE_MAIN
		rule.Protocol = uint8(ProtoLive)
		return []*netlink.Rule{rule}
	}
	first := netlink.NewRule()
	first.Family = key.family
	first.Priority = rulePriority + 2*(128-key.bits)
	first.Table = unix.RT_TABLE_MAIN
	first.SuppressPrefixlen = key.bits
	first.Protocol = uint8(ProtoLive)

	second := netlink.NewRule()
	second.Family = key.family
	second.Priority = first.Priority + 1
	second.Invert, second.Mark = true, Mark
	second.Table = tunnelTable + key.bits
	second.Protocol = uint8(ProtoLive)
	return []*netlink.Rule{first, second}
}

func (h *Host) addRule(r *netlink.Rule) (undo func() error, err error) {
	if err := ignore(h.nl.RuleAdd(r), unix.EEXIST); err != nil {
		return nil, fmt.Errorf("add rule %v: %w", r, err)
	}
	return func() error {
		if err := ignore(h.nl.RuleDel(r), unix.ENOENT); err != nil {
			return fmt.Errorf("delete rule %v: %w", r, err)
		}
		return nil
	}, nil
}
