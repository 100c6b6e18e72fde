package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sitebridge/bridge/identity"
)

// WriteIdentities makes a CA, and certificates for names that it has signed, in
// dir: ca.pem, ca.key, NAME.pem, NAME.key.
func WriteIdentities(t *testing.T, dir string, names ...string) {
	t.Helper()
	now := time.Now()
	ca, err := identity.NewCA("test-CA", now, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	writeIdentity(t, dir, "ca", ca)
	for _, name := range names {
		own, err := ca.Issue(name, now, 12*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		writeIdentity(t, dir, name, own)
	}
}

func writeIdentity(t *testing.T, dir, name string, own *identity.Own) {
	t.Helper()
	for file, text := range map[string][]byte{name + ".pem": own.Certificate(), name + ".key": own.Key()} {
		mode := os.FileMode(0o644)
		if filepath.Ext(file) == ".key" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, mode); err != nil {
			t.Fatal(err)
		}
	}
}
