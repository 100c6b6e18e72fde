package config

import (
	"time"

	"sitebridge/bridge/identity"
)

// readIdentity reads our own certificate and its key.
func (d *draft) readIdentity(t *table) {
	certificate := read(t, "certificate", nil, certificateFile.beside(t.at("certificate")))
	key := read(t, "key", nil, keyFile.beside(t.at("key")))
	if !t.has("certificate") {
		if t.has("key") {
			t.at("key").fault("a key without a certificate", `write certificate = "..." too, or leave it out`)
		}
		return
	}
	if certificate == nil {
		return
	}
	path := t.values["certificate"].(string)
	if !t.has("key") {
		key = t.defaultKey(path)
	}
	if key == nil {
		return
	}
	d.Daemon.CertificatePath = t.doc.beside(path)
	d.Daemon.Identity = d.loadIdentity(t, certificate, key)
}

// defaultKey reads the key that stands beside the certificate, whose line is the one
// to look at.
func (t *table) defaultKey(certificate string) []byte {
	key, wrong := keyFile.read(t.doc.beside(""), identity.KeyPath(certificate))
	if wrong != nil {
		t.doc.faults.add(Fault{t.doc.path, t.at("certificate").line(), t.below("key").String(), wrong.reason, wrong.fix})
	}
	return key
}

// loadIdentity puts certificate and key together. That it is too early for the
// certificate is no fault, since it passes: many a router starts without the time.
func (d *draft) loadIdentity(t *table, certificate, key []byte) *identity.Own {
	own, err := identity.Load(certificate, key)
	if err != nil {
		t.at("certificate").fault(printable(err.Error()), "write a certificate and the key that belongs to it; sitebridge identity makes both")
		return nil
	}
	if end := own.Leaf().NotAfter; d.now.After(end) {
		t.at("certificate").fault("our certificate expired on "+date(end), "have it issued anew; sitebridge identity does that")
	}
	return own
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
