package radius

import (
	"context"
	"net/netip"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
)

// A Record tells of a call (RFC 2866).
type Record struct {
	Call
	Kind       RecordKind
	Time       time.Time // when it was so
	Address    netip.Addr
	IPXNetwork uint32 // 0: none
	Class      [][]byte
	Seconds    uint32
	// What came from the caller, and what went to it.
	OctetsIn, OctetsOut, PacketsIn, PacketsOut uint64
	Cause                                      Cause // of the end; only with Stop
}

// A RecordKind is Acct-Status-Type (RFC 2866, section 5.1).
type RecordKind uint32

// The kinds.
const (
	Start   RecordKind = 1
	Stop    RecordKind = 2
	Interim RecordKind = 3
)

// A Cause is Acct-Terminate-Cause (RFC 2866, section 5.10).
type Cause uint32

// The causes that we have.
const (
	UserRequest    Cause = 1 // the caller hung up
	LostCarrier    Cause = 2
	IdleTimeout    Cause = 4
	SessionTimeout Cause = 5
	AdminReset     Cause = 6 // the operator ended the call
	AdminReboot    Cause = 7 // the daemon stops
	UserError      Cause = 17
)

const (
	queueLen  = 1024
	drainTime = 3 * time.Second
)

// Account has a record sent, later, and never waits. Where none can be taken any more it
// is lost, and counted.
func (c *Client) Account(r Record) {
	if len(c.accts) == 0 {
		return
	}
	select {
	case c.queue <- &r:
	default:
		c.lose()
	}
}

func (c *Client) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost++
}

// Run sends the records in their order until ctx ends, and then for a moment what is
// left.
func (c *Client) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case r := <-c.queue:
			c.send(ctx, r)
		case <-ctx.Done():
		}
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for {
		select {
		case r := <-c.queue:
			c.send(drain, r)
		default:
			return
		}
	}
}

// send sends one record. One that ctx interrupts is begun anew in the end.
func (c *Client) send(ctx context.Context, r *Record) {
	_, err := c.inTurn(ctx, c.accts, func() (*radius.Packet, []byte, error) {
		p, err := r.packet(&c.cfg)
		if err != nil {
			return nil, nil, err
		}
		b, err := p.Encode()
		return p, b, err
	})
	switch {
	case err == nil:
	case ctx.Err() == context.Canceled:
		c.Account(*r)
	default:
		c.lose()
	}
}

func (r *Record) packet(c *Config) (*radius.Packet, error) {
	p := radius.New(radius.CodeAccountingRequest, []byte(c.Secret))
	p.Authenticator = [16]byte{} // Encode makes it (RFC 2866, section 3)
	if err := r.addCall(p, c); err != nil {
		return nil, err
	}
	number := func(kind radius.Type, n uint32) { p.Add(kind, radius.NewInteger(n)) }
	number(rfc2866.AcctStatusType_Type, uint32(r.Kind))
	number(rfc2866.AcctAuthentic_Type, uint32(rfc2866.AcctAuthentic_Value_RADIUS))
	number(rfc2866.AcctDelayTime_Type, uint32(max(0, time.Since(r.Time)/time.Second)))
	number(rfc2869.EventTimestamp_Type, uint32(r.Time.Unix()))
	number(rfc2865.ServiceType_Type, uint32(rfc2865.ServiceType_Value_FramedUser))
	number(rfc2865.FramedProtocol_Type, uint32(rfc2865.FramedProtocol_Value_PPP))
	if r.Address.Is4() {
		p.Add(rfc2865.FramedIPAddress_Type, r.Address.AsSlice())
	}
	if r.IPXNetwork != 0 {
		number(rfc2865.FramedIPXNetwork_Type, r.IPXNetwork)
	}
	for _, class := range r.Class {
		p.Add(rfc2865.Class_Type, class)
	}
	if r.Kind == Start {
		return p, nil
	}
	number(rfc2866.AcctSessionTime_Type, r.Seconds)
	r.addCounters(number)
	if r.Kind == Stop {
		number(rfc2866.AcctTerminateCause_Type, uint32(r.Cause))
	}
	return p, nil
}

// addCounters tells octets in two parts (RFC 2869, section 5.1).
func (r *Record) addCounters(number func(radius.Type, uint32)) {
	number(rfc2866.AcctInputOctets_Type, uint32(r.OctetsIn))
	number(rfc2869.AcctInputGigawords_Type, uint32(r.OctetsIn>>32))
	number(rfc2866.AcctOutputOctets_Type, uint32(r.OctetsOut))
	number(rfc2869.AcctOutputGigawords_Type, uint32(r.OctetsOut>>32))
	number(rfc2866.AcctInputPackets_Type, uint32(r.PacketsIn))
	number(rfc2866.AcctOutputPackets_Type, uint32(r.PacketsOut))
}
