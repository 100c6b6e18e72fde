package ip

import (
	"fmt"
	"net/netip"
	"slices"

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
	tunnelTable  = 172300 // + prefix length
	rulePriority = 17230  // + 2 * (128 - prefix length)
)

type ruleKey struct {
	family, bits int
}

type heldRules struct {
	holders int
	undo    func() error
}

// Covering returns those of the routes that must be protected: the ones that
// cover a peer's own address, and default routes, which must not share a table
// with the host's own.
func Covering(routes []netip.Prefix, peers []netip.Addr) []netip.Prefix {
	var covering []netip.Prefix
	for _, r := range routes {
		covers := func(a netip.Addr) bool { return unmap(r).Contains(a.Unmap()) }
		if r.Bits() == 0 || slices.ContainsFunc(peers, covers) {
			covering = append(covering, r)
		}
	}
	return covering
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
	release, err := h.holdRules(ruleKey{family(p.Addr()), p.Bits()})
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

// table returns the table that a prefix's routes belong in.
func (h *Host) table(p netip.Prefix) int {
	if h.protected[p] > 0 {
		return tunnelTable + p.Bits()
	}
	return unix.RT_TABLE_MAIN
}

// holdRules adds the pair of rules of a prefix length, unless they are there,
// and deletes them when the last holder lets go.
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

// rulesOf returns the pair, in the order in which they are looked at.
func rulesOf(key ruleKey) []*netlink.Rule {
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
