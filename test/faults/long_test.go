package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/identity"
)

// TestLong is what takes minutes.
func TestLong(t *testing.T) {
	if !*long {
		return // no skip: that would be a failure in CI
	}
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"cut for 30 s":  func(t *testing.T) { cut(t, "30 s", 30*time.Second) },
		"cut for 5 min": func(t *testing.T) { cut(t, "5 min", 5*time.Minute) },
		"power":         peerLosesPower,
		"certificate":   certificateExpires,
	} {
		t.Run(name, test)
	}
}

// certificateExpires: our certificate runs out during a call, and the next call needs
// another one.
func certificateExpires(t *testing.T) {
	t.Parallel()
	tr := lay(t, user())
	ca, err := identity.NewCA("test-CA", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, own *identity.Own) {
		t.Helper()
		for file, text := range map[string][]byte{name + ".pem": own.Certificate(), name + ".key": own.Key()} {
			if err := os.WriteFile(filepath.Join(tr.Dir, file), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue := func(name string, valid time.Duration) {
		t.Helper()
		own, err := ca.Issue(name, time.Now(), valid)
		if err != nil {
			t.Fatal(err)
		}
		write(name, own)
	}
	const short = 30 * time.Second
	write("ca", ca)
	issue("a", time.Hour)
	ends := time.Now().Add(short)
	issue("b", short)
	tr.a, tr.b = tr.Start(tr.SiteA, tr.conf.A()), tr.Start(tr.SiteB, tr.conf.B())
	tr.traffic()
	tr.wait("the certificate expires", func() bool { return time.Now().After(ends) })
	tr.fault("certificate expires during a call, and is renewed later")
	tr.told(tr.b, "a")
	tr.wait("the next call needs another one", func() bool {
		return strings.Contains(tr.b.Site("a").Reason, "make another")
	})
	tr.row.sees = fmt.Sprintf("`a: %s`", tr.b.Site("a").Reason)
	issue("b", time.Hour)
	tr.heal(func() {
		if _, errs, code := tr.b.Run("reload"); code != 0 {
			t.Error(errs)
		}
	})
	tr.row.recovered = took(tr.flows(tr.healed).Sub(tr.healed)) + " after `reload`"
	tr.recovered()
}
