package router

// An Exchange says how routes and services are exchanged on an attachment.
type Exchange uint8

const (
	// ExchangeDefault is ExchangeRIPSAP on a LAN and ExchangeStatic elsewhere.
	ExchangeDefault Exchange = iota
	// ExchangeStatic answers who asks, and learns and announces nothing.
	ExchangeStatic
	// ExchangeRIPSAP announces everything again and again, and what changed at
	// once.
	ExchangeRIPSAP
	// ExchangeTriggered announces changes alone, and has them acknowledged
	// (RFC 2091). A peer that does not answer so gets ExchangeRIPSAP.
	ExchangeTriggered
)

// exchangeOf makes the default definite. A workstation is one node that asks: it
// has nothing to tell, and is told nothing unasked.
func exchangeOf(cfg *Attachment) Exchange {
	switch {
	case cfg.Kind == Workstation, cfg.Exchange == ExchangeDefault && cfg.Kind == Link:
		return ExchangeStatic
	case cfg.Exchange == ExchangeDefault, cfg.Exchange == ExchangeTriggered && cfg.Kind == LAN:
		return ExchangeRIPSAP
	}
	return cfg.Exchange
}

// talks reports whether RIP and SAP are exchanged on a. A LAN must have its
// number first. r.mu is held.
func (a *Attached) talks() bool {
	return a.exchange != ExchangeStatic && (a.network != 0 || a.cfg.Kind != LAN)
}

// exchangeName is what status shows.
func (a *Attached) exchangeName() string {
	switch t := a.changing; {
	case a.exchange == ExchangeStatic:
		return "static"
	case t == nil:
		return "rip-sap"
	case t.absent != [bases]bool{}:
		return "triggered, fallen back to rip-sap"
	}
	return "triggered"
}
