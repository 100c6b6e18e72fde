package control

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

var (
	// ErrClosed ends a connection that this end closed.
	ErrClosed = errors.New("closed by this end")
	// ErrCleared ends a call that this end cleared.
	ErrCleared = errors.New("cleared by this end")
	// ErrPeerClosed ends a connection whose peer closed TCP without a
	// Stop-Control-Connection-Request, as some clients do.
	ErrPeerClosed = errors.New("peer closed the TCP connection without stopping it")
	// ErrPeerCleared ends a call that a PNS cleared in order.
	ErrPeerCleared = errors.New("peer cleared the call")
	// ErrCallIDInUse is the answer to a Call whose ID another call of the
	// connection has.
	ErrCallIDInUse = errors.New("call id is in use on this connection")
)

// A StartError is a peer's refusal of the control connection.
type StartError struct {
	Result    StartResult
	ErrorCode GeneralError
}

func (e *StartError) Error() string {
	return "peer refused the control connection: " + explain(e.Result, StartGeneralError, e.ErrorCode, 0)
}

// A VersionError ends a connection whose peer wants a version of PPTP that we do
// not speak.
type VersionError struct {
	Version uint16
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("peer speaks PPTP version %d.%d, not 1.0", e.Version>>8, e.Version&0xff)
}

// A RefusedError ends a connection that Config.Admit did not want.
type RefusedError struct {
	Result StartResult
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused the peer: %v", e.Result) }

// A StoppedError ends a connection that the peer stopped in order.
type StoppedError struct {
	Reason StopReason
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("peer stopped the connection: %v", e.Reason)
}

// A CallError is a peer's refusal of a call.
type CallError struct {
	Result    OutgoingResult
	ErrorCode GeneralError
	Cause     uint16
}

func (e *CallError) Error() string {
	return "peer refused the call: " + explain(e.Result, OutgoingGeneralError, e.ErrorCode, e.Cause)
}

// A DisconnectError ends a call that the PAC disconnected.
type DisconnectError struct {
	Result    DisconnectResult
	ErrorCode GeneralError
	Cause     uint16
}

func (e *DisconnectError) Error() string {
	return "peer disconnected the call: " + explain(e.Result, DisconnectGeneralError, e.ErrorCode, e.Cause)
}

// A TimeoutError says what was awaited in vain.
type TimeoutError struct {
	Awaited string
	After   time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("no %s in %s s", e.Awaited, strconv.FormatFloat(e.After.Seconds(), 'g', -1, 64))
}

// Timeout makes a TimeoutError a timeout in the sense of package net.
func (*TimeoutError) Timeout() bool { return true }

// An UnexpectedError ends a connection whose first message was not the one that
// must come first.
type UnexpectedError struct {
	Type MessageType
}

func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("peer began with %v", e.Type)
}

// explain puts the codes of a refusal in words, with their numbers.
func explain[R interface {
	~uint8
	fmt.Stringer
}](result, general R, code GeneralError, cause uint16) string {
	text := fmt.Sprintf("%v (result %d", result, uint8(result))
	if result == general {
		text = fmt.Sprintf("%v: %v (result %d, error %d", result, code, uint8(result), uint8(code))
	}
	if cause != 0 {
		text += fmt.Sprintf(", cause %d", cause)
	}
	return text + ")"
}
