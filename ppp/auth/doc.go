// Package auth proves the two ends of a PPP link to each other: PAP (RFC 1334),
// CHAP with MD5 (RFC 1994), MS-CHAPv2 (RFC 2759), and inside EAP (RFC 3748)
// MS-CHAPv2 again and TLS (RFC 5216, RFC 9190), as the authenticator and as the
// peer.
//
// Each direction of authentication is an Exchange: a pure step, packet in and
// packet out, without goroutine, clock or log. The package leaves to others which
// method LCP agrees on, which names exist, whose certificate is good and what they
// may do (the bridge), and what the keys are used for (encryption).
//
// EAP is one frame for many methods:
//
//	eapAuthenticator, eapPeer   who runs which method, identifiers, repeats, verdicts
//	eapServer, eapClient        the two halves of a method: type data alone
//
// What is not here, and no setting turns on: MS-CHAPv1 (RFC 2433: its LM response
// falls at once, and the server proves nothing), and MD5 inside EAP, which a peer
// refuses and an authenticator never offers.
package auth
