// Package eaptls is the TLS conversation of one end of EAP-TLS, with TLS 1.2
// (RFC 5216) and TLS 1.3 (RFC 9190): type data in, type data out.
//
// A Conversation is a step without clock, socket or log: TLS runs in a goroutine
// that stands still between two calls. The package leaves to others the EAP
// headers, identifiers, repeats and time-outs, which certificate is ours, and
// whether the other end's certificate is that of the right peer.
//
// Each conversation is a whole handshake in which both ends show a certificate:
// there is no resumption, no renegotiation and no early data, and no session ticket
// but one that opens nothing, for a client of old (Config.Old).
package eaptls
