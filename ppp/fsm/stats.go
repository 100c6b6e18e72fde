package fsm

import "sync/atomic"

// Stats counts a Machine's control packets.
type Stats struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// UnknownCode packets were answered by a Code-Reject.
	UnknownCode uint64 `json:"unknown_code"`
	// LateEvent counts "-" cells of the automaton: a late Up or Down.
	LateEvent uint64 `json:"late_event"`
	// RepeatedRequest counts requests acknowledged again while open.
	RepeatedRequest uint64 `json:"repeated_request"`
	Drops           Drops  `json:"drops"`
}

// Drops are the control packets that were discarded silently, by reason.
type Drops struct {
	Malformed       uint64 `json:"malformed"`        // header, option lengths, empty Nak
	LowerDown       uint64 `json:"lower_down"`       // came before the lower layer was up
	WrongIdentifier uint64 `json:"wrong_identifier"` // an answer to nothing we asked
	RepeatedReply   uint64 `json:"repeated_reply"`   // a second answer to one request
	AckDiffers      uint64 `json:"ack_differs"`      // an Ack of other options than ours
	RejectDiffers   uint64 `json:"reject_differs"`   // a Reject of options we did not send
	ReplyTooLong    uint64 `json:"reply_too_long"`   // our Ack would be longer than the peer's MRU
}

type counters struct {
	sent, received, unknownCode, lateEvent   atomic.Uint64
	malformed, lowerDown, wrongIdentifier    atomic.Uint64
	repeatedReply, ackDiffers, rejectDiffers atomic.Uint64
	replyTooLong, repeatedRequest            atomic.Uint64
}

// Stats may be called from any goroutine.
func (m *Machine) Stats() Stats {
	c := &m.count
	return Stats{
		Sent:        c.sent.Load(),
		Received:    c.received.Load(),
		UnknownCode: c.unknownCode.Load(),
		LateEvent:   c.lateEvent.Load(),

		RepeatedRequest: c.repeatedRequest.Load(),
		Drops: Drops{
			Malformed:       c.malformed.Load(),
			LowerDown:       c.lowerDown.Load(),
			WrongIdentifier: c.wrongIdentifier.Load(),
			RepeatedReply:   c.repeatedReply.Load(),
			AckDiffers:      c.ackDiffers.Load(),
			RejectDiffers:   c.rejectDiffers.Load(),
			ReplyTooLong:    c.replyTooLong.Load(),
		},
	}
}
