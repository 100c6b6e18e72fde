// Package fsm is the option negotiation automaton of PPP (RFC 1661, section 4)
// with the packet and option codec that goes with it, once for LCP and every
// network control protocol.
//
// [Automaton] is the RFC's table as a pure step. [Machine] runs it for one
// [Protocol]: it sends, counts, keeps the restart timer's deadline and checks
// what the peer answers. What the options mean, and who carries the packets, is
// left to others.
//
//	            Up                  Open
//	Initial ----------> Closed -------------+
//	   | Open                               v      Ack in     +----------+
//	   v        Up                     +----------+---------->| Ack-Rcvd |--+ Ack out
//	Starting ------------------------->| Req-Sent |           +----------+  v
//	                                   +----------+----+      +----------+ Opened
//	                                                   +----->| Ack-Sent |--^ Ack in
//	                                              Ack out     +----------+
//
// Closing and Stopping wait for a Terminate-Ack on the way back to Closed (the
// administrator wanted it) and Stopped (the peer did, or negotiation failed).
package fsm
