// Package radius is a RADIUS client (RFC 2865, RFC 2866, RFC 2869, RFC 3579): it asks
// servers to judge a caller's proof, and tells them of calls. It knows nothing of PPP
// or of what a caller gets; an answer is bounded here and judged by who asked.
//
// The wire format is layeh.com/radius. That library does not know
// Message-Authenticator, which is why requests are signed and answers are checked here:
// an answer to an Access-Request without one, as its first attribute, is nobody's
// (CVE-2024-3596).
//
//	Client.Ask ---- one request, one socket ----> servers in turn
//	Client.Account -> queue -> Client.Run ------> servers in turn
package radius
