// Package mppe is Microsoft Point-to-Point Encryption (RFC 3078) with keys of
// 128 bits, made as RFC 3079 says: nothing weaker exists here. Stateless mode
// changes the key for every packet; stateful mode only for every 256th, and
// repeats keystream after each loss, so it is for peers that have nothing else.
//
// MPPE has no integrity: who changes a bit on the way changes that bit of the
// packet, and nobody notices. That the keys of both ends agree is never proved
// either; it is judged by what decrypted packets look like.
//
// Negotiation is left to package ccp, and the outer protocol field (00FD) to
// the link.
package mppe
