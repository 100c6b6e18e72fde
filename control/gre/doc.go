// Package gre is PPTP's data channel: the enhanced GRE of RFC 2637, section 4.
//
// A Carrier moves packets in batches: Raw through IP protocol 47, UDP in datagrams,
// Memory inside a test. A Mux owns the receive loop over each carrier and finds the
// call that each packet belongs to by the peer's address and the call ID that this
// side assigned. A Channel is the data channel of one call: it numbers what is sent,
// puts what is received back into order, never delivers a frame twice or late,
// and acknowledges.
//
//	sender:   Channel.Send, header in place --one batch--> Carrier.Send
//	receiver: Carrier.Receive --one batch--> Mux.Run -> Channel -> receive func
//
// The same packets travel in UDP, header and all, from one port of this host's to one
// of the peer's (udp_linux.go). That is modelled on RFC 8086 and does not claim it: that
// one carries GRE version 0, one way, with a source port that says nothing. Which
// carrier a call has is agreed before its first packet (choose.go) and stays.
//
// The package leaves to others what the payload means, how the two sides agreed
// on call IDs and windows (package control), and when a silent call is dead.
package gre
