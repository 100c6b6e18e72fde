package control

import "time"

// Limits bound what strangers can make a Listener hold. Before authentication
// one connection is like another, so what counts is whether a connection does
// anything: one without a call is vacant, and only vacant ones are limited
// tightly, and pushed out by newer ones.
//
// No limit refuses a newcomer for its address: many branches may share the one
// of a NAT. Where there are too many vacant connections from one source, it is
// the oldest of those that goes.
type Limits struct {
	Connections     int           // all of them; zero: 4096
	Vacant          int           // without a call; zero: 512
	VacantPerSource int           // of those from one address; zero: 128
	StartTimeout    time.Duration // until the Start-Control-Connection-Request; zero: 10 s
	CallTimeout     time.Duration // without a call after that; zero: 60 s
}

func (l Limits) withDefaults() Limits {
	orElse(&l.Connections, 4096)
	orElse(&l.Vacant, 512)
	orElse(&l.VacantPerSource, 128)
	orElse(&l.StartTimeout, 10*time.Second)
	orElse(&l.CallTimeout, 60*time.Second)
	return l
}
