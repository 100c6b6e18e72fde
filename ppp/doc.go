// Package ppp runs one end of a PPP link (RFC 1661): the frame header, LCP, the
// phases, and who gets which packet.
//
//	carrier                       network layers (IP, IPX)
//	   |                                   |
//	Receive --- data of an open NCP --> Deliver
//	   |                                   |
//	   |  LCP, authentication, NCPs        |
//	   +--> queue --> Run                  |
//	                   |                   |
//	Config.Send <------+----- Send <-------+
//
// One goroutine, in Link.Run, owns all negotiation: the automata, the timers and
// the phase. It takes no lock. Data never visits it: Receive and Send read what
// was agreed from an immutable view behind an atomic pointer, which Run replaces
// when something changes.
//
// The package does not know who carries its frames, nor which network control
// protocols exist: these are behind the interface NCP. How a name is proved is
// the business of ppp/auth, the automaton and the option codec of ppp/fsm.
package ppp
