package eaptls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

// The alerts by which the other end says that our certificate is the reason
// (RFC 5246, section 7.2.2).
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48, 49}

// why says in words why TLS ended, and whose decision that was. An alert says little
// of what is wrong with a certificate.
func (h *handshake) why() string {
	if h.refusal != nil {
		return "peer's certificate is refused: " + inWords(h.refusal)
	}
	if errors.Is(h.err, io.EOF) {
		return "peer ended TLS and gave no reason"
	}
	var op *net.OpError
	if !errors.As(h.err, &op) || op.Op != "remote error" {
		return "TLS with the peer failed: " + inWords(h.err)
	}
	if isAlert(op.Err, certificateAlerts) {
		return "peer refuses our certificate: " + inWords(op.Err) + "; the peer's log says why"
	}
	if isAlert(op.Err, []tls.AlertError{internalError}) {
		return "peer ended TLS: internal error. pppd says so of a certificate that is not for the name that it expects"
	}
	return "peer ended TLS: " + inWords(op.Err)
}

// internalError is what OpenSSL says when the judge of a certificate has refused it
// and given no reason.
const internalError = 80

// isAlert tells whether err is one of alerts. The type that TLS gives to an alert
// of its wire has no name outside, but its text is the same.
func isAlert(err error, alerts []tls.AlertError) bool {
	return slices.ContainsFunc(alerts, func(a tls.AlertError) bool { return a.Error() == err.Error() })
}

// longest is how many octets of an error are told; it may quote the peer.
const longest = 300

// inWords is the text of err, fit for a log whatever the peer put into it.
func inWords(err error) string {
	text := strings.TrimPrefix(err.Error(), "tls: ")
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	if quoted := strconv.Quote(text); strings.Contains(quoted, `\`) {
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	}
	return text
}

// tooLong says that a flight of ours would not be taken.
func tooLong(flight []byte) string {
	return fmt.Sprintf("our own TLS flight has %d octets, and %d may be sent: use a shorter certificate chain", len(flight), maxFlight)
}
