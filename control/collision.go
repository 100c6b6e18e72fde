package control

import "net/netip"

// WinsCollision settles two control connections that both ends began at once: it
// reports whether the one from local to remote is to be kept. The higher address
// wins (RFC 2637, section 3.1.3); IPv4 addresses compare as the numbers they are.
//
// The loser ends its Open, through its context, and answers the winner's
// Start-Control-Connection-Request. The winner answers Hold to the loser's. Where
// a NAT stands between the two, they do not see the same addresses, and two
// connections are what they get.
func WinsCollision(local, remote netip.Addr) bool {
	return local.Unmap().Compare(remote.Unmap()) > 0
}

// An Admission is Config.Admit's verdict on a Start-Control-Connection-Request.
type Admission uint8

// The verdicts.
const (
	Admit              Admission = iota // answer it
	RefuseExists                        // "a control connection exists already", result 3
	RefuseUnauthorised                  // "not authorised", result 4
	Hold                                // say nothing and wait for the peer to close: see WinsCollision
)

// result is what the Start-Control-Connection-Reply says for a refusal.
func (a Admission) result() StartResult {
	if a == RefuseExists {
		return ChannelExists
	}
	return NotAuthorised
}
