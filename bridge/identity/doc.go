// Package identity has the certificates that sites prove themselves with: it
// makes them, loads our own, and judges those of peers. A peer's certificate is
// either signed by a CA that its site names, or pinned by its fingerprint; the
// CAs of the system are never asked.
//
// It speaks no TLS and reads no configuration: who asks it to judge a chain has
// been shown that the peer holds the key of its first certificate.
package identity
