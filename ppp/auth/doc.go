// Package auth proves the two ends of a PPP link to each other: PAP (RFC 1334),
// CHAP with MD5 (RFC 1994) and MS-CHAPv2 (RFC 2759), as the authenticator and as
// the peer.
//
// Each direction of authentication is an Exchange: a pure step, packet in and
// packet out, without goroutine, clock or log. The package leaves to others
// which method is negotiated (LCP), which names exist and what they may do (the
// bridge), and what the keys of MS-CHAPv2 are used for (encryption).
//
// MS-CHAPv1 is not here, and no setting turns it on (RFC 2433: its LM response
// falls at once, and the server proves nothing).
package auth
