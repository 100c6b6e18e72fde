package control

import "fmt"

// word returns words[v], and numbers that have none.
func word[T ~uint8](v T, words []string) string {
	if int(v) < len(words) && words[v] != "" {
		return words[v]
	}
	return fmt.Sprintf("code %d", uint8(v))
}

// A GeneralError is the Error Code that explains a result of "general error"
// (RFC 2637, section 2.16).
type GeneralError uint8

// The general errors.
const (
	NoError      GeneralError = 0
	NotConnected GeneralError = 1 // no control connection exists yet
	BadFormat    GeneralError = 2
	BadValue     GeneralError = 3
	NoResource   GeneralError = 4
	BadCallID    GeneralError = 5
	PACError     GeneralError = 6
)

func (e GeneralError) String() string {
	return word(e, []string{"no error", "not connected", "bad format", "bad value",
		"no resource", "bad call id", "PAC error"})
}

// A StartResult answers a Start-Control-Connection-Request (section 2.2).
type StartResult uint8

// The results of starting a control connection.
const (
	Started             StartResult = 1
	StartGeneralError   StartResult = 2
	ChannelExists       StartResult = 3
	NotAuthorised       StartResult = 4
	VersionNotSupported StartResult = 5
)

func (r StartResult) String() string {
	return word(r, []string{1: "ok", "general error", "a control connection exists already",
		"not authorised", "protocol version not supported"})
}

// A StopReason says why a control connection is to stop (section 2.3).
type StopReason uint8

// The reasons to stop.
const (
	StopNone          StopReason = 1
	StopProtocol      StopReason = 2 // the peer's version is not supported
	StopLocalShutdown StopReason = 3
)

func (r StopReason) String() string {
	return word(r, []string{1: "no reason given", "protocol version not supported", "it is shutting down"})
}

// A StopResult answers a Stop-Control-Connection-Request (section 2.4).
type StopResult uint8

// The results of stopping a control connection.
const (
	Stopped          StopResult = 1
	StopGeneralError StopResult = 2
)

func (r StopResult) String() string { return word(r, []string{1: "ok", "general error"}) }

// An EchoResult is part of an Echo-Reply (section 2.6).
type EchoResult uint8

// The results of an echo. A reply with either is a sign of life.
const (
	EchoOK           EchoResult = 1
	EchoGeneralError EchoResult = 2
)

func (r EchoResult) String() string { return word(r, []string{1: "ok", "general error"}) }

// An OutgoingResult answers an Outgoing-Call-Request (section 2.8).
type OutgoingResult uint8

// The results of an outgoing call.
const (
	Connected            OutgoingResult = 1
	OutgoingGeneralError OutgoingResult = 2
	NoCarrier            OutgoingResult = 3
	Busy                 OutgoingResult = 4
	NoDialTone           OutgoingResult = 5
	TimedOut             OutgoingResult = 6
	DoNotAccept          OutgoingResult = 7 // administratively prohibited
)

func (r OutgoingResult) String() string {
	return word(r, []string{1: "connected", "general error", "no carrier", "busy", "no dial tone",
		"time-out", "not accepted"})
}

// An IncomingResult answers an Incoming-Call-Request (section 2.10).
type IncomingResult uint8

// The results of an incoming call.
const (
	IncomingConnect      IncomingResult = 1
	IncomingGeneralError IncomingResult = 2
	IncomingDoNotAccept  IncomingResult = 3
)

func (r IncomingResult) String() string {
	return word(r, []string{1: "connect", "general error", "not accepted"})
}

// A DisconnectResult says why the PAC ended a call (section 2.13).
type DisconnectResult uint8

// The results of a Call-Disconnect-Notify. Windows always sends 0.
const (
	LostCarrier            DisconnectResult = 1
	DisconnectGeneralError DisconnectResult = 2
	AdminShutdown          DisconnectResult = 3
	ClearRequested         DisconnectResult = 4 // the answer to a Call-Clear-Request
)

func (r DisconnectResult) String() string {
	return word(r, []string{"no reason given", "lost carrier", "general error", "shut down by its operator",
		"as requested"})
}
