package config

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"

	"sitebridge/bridge/identity"
)

// A revocations is a file of revocation lists. It is read anew for each handshake,
// and may be out of date now: that it can be had at all is what is checked.
type revocations struct {
	path  string
	sum   [sha256.Size]byte
	lists []*x509.RevocationList
}

// crlBeside parses the path of revocation lists, which stands in the configuration
// at a place.
func crlBeside(at place) func(any) (revocations, *mistake) {
	return func(raw any) (revocations, *mistake) {
		b, wrong := crlFile.beside(at)(raw)
		if wrong != nil {
			return revocations{}, wrong
		}
		lists, err := identity.ParseLists(b)
		if err != nil {
			return revocations{}, &mistake{fmt.Sprintf("%s: %s", show(raw), printable(err.Error())),
				"write the path of a revocation list; sitebridge identity revoke makes one"}
		}
		return revocations{at.doc.beside(raw.(string)), sha256.Sum256(b), lists}, nil
	}
}

// agreeOnCRL checks that the lists are of the CAs: with others every peer would
// be refused.
func (t *table) agreeOnCRL(crl revocations, cas []*x509.Certificate) {
	ours := func(l *x509.RevocationList) bool {
		return slices.ContainsFunc(cas, func(ca *x509.Certificate) bool { return l.CheckSignatureFrom(ca) == nil })
	}
	if len(crl.lists) > 0 && len(cas) > 0 && !slices.ContainsFunc(crl.lists, ours) {
		t.at("crl").fault("no CA of ca signed the list, so that every peer would be refused", "write the list of that CA")
	}
}
