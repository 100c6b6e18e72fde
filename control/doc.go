// Package control speaks PPTP's control connection (RFC 2637, sections 2 and
// 3): the messages over TCP port 1723 by which a PNS and a PAC greet each other,
// set up calls, and see that the other is still there.
//
// It is layered, and each layer can be read and tested alone:
//
//   - messages: one Go type for each, Parse and Append (message.go);
//   - automata: the control connection and the four kinds of call as tables, in
//     the order of the RFC, without a clock or a socket (connstate.go,
//     callstate.go);
//   - a session: one control connection's state, which turns messages and
//     passing time into messages to send (session.go);
//   - a Conn: the session with its TCP connection and goroutines (conn.go), made
//     by Open for the side that dials and by Serve for the side that answers;
//   - a Listener: many of those, within limits (listener.go).
//
// It knows nothing of what a call carries. Enhanced GRE is package gre's, PPP is
// package ppp's, and what site a peer stands for is decided above.
package control
