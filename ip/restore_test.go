package ip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sitebridge/internal/netlab"
)

// systemd-networkd takes rules away that it does not know, when it starts anew.
func TestRestorePutsBackWhatWasTaken(t *testing.T) {
	lab := netlab.New(t)
	ns := lab.Namespace("host")
	err := ns.Do(func() error {
		h, err := OpenHost()
		if err != nil {
			return err
		}
		defer h.Close()
		all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		unprotect, err := h.ProtectMarked(all)
		if err != nil {
			return err
		}
		remove, err := h.InstallUnreachable(all)
		if err != nil {
			return err
		}
		ours := func() (rules, routes int) {
			list, err := h.nl.RuleList(netlink.FAMILY_V4)
			if err != nil {
				t.Error(err)
			}
			for i := range list {
				if list[i].Protocol == uint8(ProtoLive) {
					rules++
				}
			}
			there, err := h.routesAt(routeKey{all[0], tunnelTable, worstMetric})
			if err != nil {
				t.Error(err)
			}
			return rules, len(there)
		}
		rules, routes := ours()
		if rules != 2 || routes != 1 {
			t.Fatalf("%d rules and %d routes installed", rules, routes)
		}
		if err := h.CleanStale(); err != nil { // takes them away as a stranger would
			return err
		}
		if rules, routes := ours(); rules != 0 || routes != 0 {
			t.Fatalf("%d rules and %d routes not taken", rules, routes)
		}
		for range 2 { // the second one finds all in place
			h.restored, h.kept.at = time.Time{}, time.Time{} // else it would not look
			if err := h.Restore(); err != nil {
				return err
			}
			if rules, routes := ours(); rules != 2 || routes != 1 {
				t.Errorf("%d rules and %d routes restored, want 2 and 1", rules, routes)
			}
		}
		if err := remove(); err != nil {
			return err
		}
		if err := unprotect(); err != nil {
			return err
		}
		if rules, routes := ours(); rules != 0 || routes != 0 {
			t.Errorf("%d rules and %d routes left behind", rules, routes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
