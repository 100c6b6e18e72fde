package eaptls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
)

// A handshake is TLS, which runs inside feed and at no other time.
type handshake struct {
	pipe
	turns
	conn *tls.Conn

	ours    *x509.Certificate
	shown   bool   // the other end gets to see our certificate
	refusal error  // what Verify had against the other end's certificate
	done    bool   // the handshake is over, for TLS
	ticket  bool   // a session ticket came, and the other end may be of old
	said    []byte // application data that came
	err     error  // why TLS stopped
}

// newHandshake prepares TLS with a fresh look at our own certificate.
func newHandshake(c Config) (*handshake, error) {
	own, err := c.Certificate()
	if err != nil {
		return nil, err
	}
	h := &handshake{turns: newTurns(), shown: c.Server}
	if h.ours, err = leaf(own); err != nil {
		return nil, err
	}
	h.over(c, h.settings(c, own))
	return h, nil
}

// over lays TLS over the pipe.
func (h *handshake) over(c Config, settings *tls.Config) {
	h.wait = h.stand
	if c.Server {
		h.conn = tls.Server(h, settings)
	} else {
		h.conn = tls.Client(h, settings)
	}
}

func leaf(own *tls.Certificate) (*x509.Certificate, error) {
	switch {
	case own == nil || len(own.Certificate) == 0:
		return nil, errors.New("there is no certificate of our own")
	case own.Leaf != nil:
		return own.Leaf, nil
	}
	return x509.ParseCertificate(own.Certificate[0])
}

// suites are those of TLS 1.2 that have forward secrecy and authenticated
// ciphers. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// settings makes the configuration of TLS. The certificates of the other end are
// judged by Verify alone: never by the system's CAs, and not by a host name.
func (h *handshake) settings(c Config, own *tls.Certificate) *tls.Config {
	t := &tls.Config{
		Certificates: []tls.Certificate{*own}, // of a server
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			h.shown = true // whatever CAs the server names: a pinned certificate is of none
			return own, nil
		},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true,
		VerifyConnection:       func(s tls.ConnectionState) error { return h.judge(c, s) },
		MinVersion:             max(c.MinVersion, tls.VersionTLS12),
		MaxVersion:             c.MaxVersion,
		CipherSuites:           suites,
		SessionTicketsDisabled: true,
		Time:                   c.Time,
	}
	if c.Old != nil {
		h.oldTLS13(c, t)
	}
	return t
}

// judge lets Verify judge the other end, which has shown a certificate at least:
// TLS sees to that.
func (h *handshake) judge(c Config, s tls.ConnectionState) error {
	h.refusal = c.Verify(s.PeerCertificates)
	return h.refusal
}

// run is what takes turns: the handshake, then whatever the other end still says.
// One octet can be right; the second ends it.
func (h *handshake) run() {
	if h.err = h.conn.Handshake(); h.err != nil {
		return
	}
	h.done = true
	for octets := make([]byte, 2); len(h.said) < 2 && h.err == nil; {
		var n int
		n, h.err = h.conn.Read(octets)
		h.said = append(h.said, octets[:n]...)
	}
}

// feed lets TLS go on with what came from the other end, until it wants more or
// ends. It keeps nothing of flight.
func (h *handshake) feed(flight []byte) {
	h.in = flight
	h.resume(h.run)
	h.in = nil
	if alert := alertInClear(flight); h.err != nil && alert != nil && !h.ended() {
		h.err = alert
	}
}

// alertInClear is what a flight says that is one alert in clear; nil: it is not. A
// client of TLS 1.3 may send one where everything is encrypted already (RFC 8446,
// appendix A.1), and OpenSSL does so when it refuses our certificate. Our TLS fails
// all the same, but thinks that the record was tampered with, and would have the
// authenticator wait for an answer that never comes.
func alertInClear(flight []byte) error {
	if len(flight) != 7 || !bytes.HasPrefix(flight, []byte{21, 3, 3, 0, 2}) {
		return nil
	}
	if description := flight[6]; description != 0 {
		return &net.OpError{Op: "remote error", Err: tls.AlertError(description)}
	}
	return io.EOF // a close notify
}

// result is what the handshake leaves, once done.
func (h *handshake) result(c Config) (Result, error) {
	s := h.conn.ConnectionState()
	if !h.shown {
		return Result{}, errors.New("peer did not ask for our certificate: it must, so that both ends are proved")
	}
	msk, emsk, err := deriveKeys(s.Version, c.old(), s.ExportKeyingMaterial)
	if err != nil {
		return Result{}, err
	}
	return Result{MSK: msk, EMSK: emsk, Ours: h.ours, Theirs: s.PeerCertificates[0], Version: s.Version}, nil
}

// refuse turns what is gathered into what ends TLS for the other end: nothing if
// that ended it, an alert if not. Where TLS was content and we are not, it says
// goodbye by a close notify, which is no success in anybody's eyes.
func (h *handshake) refuse(c Config, lastSent bool) {
	switch {
	case h.ended():
		h.out = nil
	case h.done && !lastSent && c.Server && h.conn.ConnectionState().Version < tls.VersionTLS13:
		h.out = insufficientSecurity
	case h.done && h.err == nil:
		h.conn.CloseWrite()
	}
}

// insufficientSecurity is an alert in the place of the server's Finished of TLS
// 1.2, before which the client takes records in clear (RFC 5246, section 7.2). The
// Finished is not sent: with it the handshake would look good from over there.
var insufficientSecurity = []byte{21, 3, 3, 0, 2, 2, 71}

// ended tells whether the other end ended TLS, by an alert.
func (h *handshake) ended() bool {
	var op *net.OpError
	return errors.Is(h.err, io.EOF) || errors.As(h.err, &op) && op.Op == "remote error"
}
