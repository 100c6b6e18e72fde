package watchdog

// A refusal says why a keepalive was not answered, or a session not noted.
type refusal uint8

const (
	answered          refusal = iota
	linkUp                    // the far end answers for itself
	timeOver                  // longer ago than Config.Limit
	unknown                   // not seen passing in both directions
	otherConnection           // the server means another connection
	ended                     // the connection was closed
	asked                     // and not answered already while the link was up
	silent                    // for longer than a living host while the link was up
	enough                    // answered as often as a server asks
	message                   // '!' or '@': not a watchdog
	connectionRequest         // SPX: no connection yet
	changes                   // SPX: acknowledges, or allows, or awaits something
	tableFull                 // a new session found no room
	refusals
)

// counters are guarded by the table's lock.
type counters struct {
	answered uint64
	refused  [refusals]uint64
}

// Stats is what status shows of a table.
type Stats struct {
	Sessions    int     `json:"sessions"`    // of NCP, with clients beyond the link
	Connections int     `json:"connections"` // of SPX
	Answering   bool    `json:"answering"`   // the link is lost
	Answered    uint64  `json:"answered"`
	Refused     Refused `json:"refused"`
}

// Refused counts what was not answered, by reason.
type Refused struct {
	LinkUp            uint64 `json:"link_up"`
	TimeOver          uint64 `json:"time_over"`
	Unknown           uint64 `json:"unknown"`
	OtherConnection   uint64 `json:"other_connection"`
	Ended             uint64 `json:"ended"`
	Asked             uint64 `json:"asked_before"`
	Silent            uint64 `json:"silent"`
	Enough            uint64 `json:"enough"`
	Message           uint64 `json:"message"`
	ConnectionRequest uint64 `json:"connection_request"`
	Changes           uint64 `json:"changes"`
	TableFull         uint64 `json:"table_full"` // sessions that found no room
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.count.refused
	s := Stats{Answering: !t.lost.IsZero(), Answered: t.count.answered, Refused: Refused{
		LinkUp: r[linkUp], TimeOver: r[timeOver], Unknown: r[unknown], OtherConnection: r[otherConnection],
		Ended: r[ended], Asked: r[asked], Silent: r[silent], Enough: r[enough], Message: r[message],
		ConnectionRequest: r[connectionRequest], Changes: r[changes], TableFull: r[tableFull],
	}}
	for _, n := range t.ncp.known {
		if n.state == ncpOpen {
			s.Sessions++
		}
	}
	for _, c := range t.spx.known {
		if c.far.seen && !c.ended {
			s.Connections++
		}
	}
	return s
}
