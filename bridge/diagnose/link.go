package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sitebridge/ppp"
)

// The link: how far its negotiation got, and why no further.

// A stage of a link's negotiation.
type stage uint8

const (
	stageGRE stage = iota // nothing was heard
	stageLCP
	stageAuth
	stageEncryption
	stageNCP
	stageUp
)

// stageOf says at which stage a call is, or at which it ended.
func stageOf(a Attempt) stage {
	if a.Up {
		return stageUp
	}
	if e := a.PPP.End; e != nil {
		switch e.Kind {
		case ppp.NothingReceived, ppp.NotHeard:
			return stageGRE
		case ppp.LoopedBack:
			return stageLCP
		case ppp.AuthFailed, ppp.AuthTimeout, ppp.PeerNotProved, ppp.Refused:
			return stageAuth
		case ppp.EncryptionFailed, ppp.EncryptionLost:
			return stageEncryption
		case ppp.NoNetwork:
			return stageNCP
		}
	}
	switch {
	case !a.Heard:
		return stageGRE
	case len(a.PPP.NCPs) > 0 && (a.PPP.Encryption.Waiting):
		return stageEncryption
	case len(a.PPP.NCPs) > 0:
		return stageNCP
	case a.PPP.Phase == ppp.PhaseNetwork:
		return stageEncryption
	case a.PPP.Phase == ppp.PhaseAuthenticate, a.PPP.Ours.MRU > 0:
		return stageAuth
	}
	return stageLCP
}

// Stuck reports whether a call that has lasted for at least this long will hardly get
// further by itself.
func (a Attempt) Stuck(after time.Duration) bool {
	switch {
	case !a.Live:
		return true
	case !a.Heard && a.Stranger.IsValid():
		return true
	case a.For < after:
		return false
	case !a.Heard, unheard(a), unreadable(a.PPP):
		return true
	}
	return a.For > 3*after
}

// stuck makes the finding of the stage at which a link is stuck or ended.
func stuck(a Attempt, do string) Finding {
	switch {
	case a.PPP.End != nil:
		return fault(do, "%s", a.PPP.End.Reason)
	case a.End != nil:
		return fault(do, "%s", a.End)
	}
	return fault(do, "not done after %v: %s", a.For.Round(time.Second), a.Pending)
}

func judgeLink(a Attempt) Finding {
	switch {
	case stageOf(a) > stageLCP && a.PPP.Ours.MRU == 0 && a.PPP.Peers.MRU == 0:
		return ok("it came up")
	case stageOf(a) > stageLCP:
		return ok("ours: MRU %d; peer's: MRU %d%s", a.PPP.Ours.MRU, a.PPP.Peers.MRU, asks(a.PPP.Peers))
	}
	do := "the two ends do not agree on the link's options: the peer's log says which one it refuses"
	if e := a.PPP.End; e != nil {
		switch e.Kind {
		case ppp.LoopedBack:
			do = "we talk to ourselves: does `dial` name this machine, or does a NAT send us our own packets?"
		case ppp.NoAnswer:
			do = "the peer's PPP does not answer: does pppd start there? Its log says more"
		}
	}
	return stuck(a, do)
}

func asks(o ppp.OptionSet) string {
	if o.Auth == "" {
		return ""
	}
	return ", asks for " + o.Auth
}

func judgeAuth(s Setup, a Attempt) Finding {
	if stageOf(a) > stageAuth {
		return ok("%s", provedWords(a.PPP))
	}
	return stuck(a, authDo(s, a))
}

func provedWords(p ppp.Status) string {
	switch {
	case p.Peer.Proved:
		return fmt.Sprintf("the peer proved to be %s, by %s", p.Peer.Name, p.Peer.Method)
	case p.Method != "":
		return "by " + p.Method
	}
	return "done"
}

// authDo says what to change. Which end refuses shows who has to look.
func authDo(s Setup, a Attempt) string {
	secrets := "the same secret must be in our secret_out_file and in the peer's list, and our name (auth.name, or daemon.name) must be the one that it expects"
	if s.TLS && !slices.ContainsFunc(s.Methods, func(m string) bool { return m != "eap-tls" }) {
		secrets = "the peer must trust our certificate (its ca, or our fingerprint), and its peer_name must be the certificate's name: sitebridge identity show tells it; are the clocks of both ends right?"
	}
	if a.PPP.End == nil {
		return "the peer does not answer: its log says more"
	}
	switch a.PPP.End.Kind {
	case ppp.AuthFailed:
		return secrets + "; the peer's log says why it refuses. It is tried again every five minutes, or by sitebridge up " + s.Site
	case ppp.PeerNotProved:
		return "auth.methods (" + strings.Join(s.Methods, ", ") + ") must have one that the peer asks for and can do; by certificate, ours must trust the peer's: ca or fingerprint, peer_name, dates, revocation list"
	case ppp.Refused:
		return "auth.peer_name says whom to expect, auth.methods how; if another call of the site stays, wait until it ends"
	}
	return "the peer stops in the middle: does it reach its own list of users, such as a RADIUS server? Its log says more"
}

func judgeEncryption(s Setup, a Attempt) Finding {
	e := a.PPP.Encryption
	const do = "encryption.policy and encryption.methods of both ends must meet: aead needs eap-tls at both ends, mppe-128 needs mschapv2 or eap-tls, and the peer must not have encryption switched off"
	switch {
	case stageOf(a) <= stageEncryption && (a.PPP.End != nil || e.Waiting || !a.Live):
		f := stuck(a, do)
		if e.Reason != "" && !strings.Contains(f.Words, e.Reason) {
			f.Words += "; " + e.Reason
		}
		return f
	case e.Agreed != "":
		words := e.Agreed
		if e.Strength != "" {
			words += ", " + e.Strength
		}
		if unreadable(a.PPP) {
			return fault("the keys of the two ends differ: is it the same secret at both, and does a RADIUS server hand out the right keys?", "%s, and nothing that comes can be decrypted", words)
		}
		return ok("%s", words)
	case s.Policy == "preferred":
		return warning(do, "none, though it is preferred: who is on the way can read and change all that passes; %s", e.Reason)
	}
	return ok("none (policy %s): who is on the way can read and change all that passes", s.Policy)
}

// unreadable reports whether nothing could be made of what came encrypted: with AEAD no
// packet is the peer's, with MPPE those that come hold protocols that there are none of.
func unreadable(p ppp.Status) bool {
	n := p.Encryption.Packets
	return n["opened"] == 0 && (n["forged"] > 2 || p.Stats.Drops.UnknownProtocol > 10)
}

func judgeNCP(name string, s Setup, a Attempt) Finding {
	const do = "does the peer carry it too, and do the addresses or numbers of the two configurations fit together? The peer's log says more"
	required := slices.Contains(s.Required, name)
	for _, n := range a.PPP.NCPs {
		switch {
		case n.Name != name:
		case n.Opened:
			return ok("up")
		case n.Reason != "" && required:
			return fault(do, "%s", n.Reason)
		case n.Reason != "":
			return warning(do, "%s (the site is up without it: `required` does not list it)", n.Reason)
		case required && a.Live:
			return fault(do, "not up after %v: its automaton is in %s", a.For.Round(time.Second), n.State)
		case a.Live:
			return warning(do, "not up: its automaton is in %s", n.State)
		}
	}
	switch {
	case a.PPP.End != nil && blamesAnother(a.PPP.End.Reason, name):
		return unknown("not up when the link ended because of another")
	case a.PPP.End != nil:
		return fault(do, "%s", a.PPP.End.Reason)
	case a.End != nil:
		return fault(do, "%s", a.End)
	}
	return unknown("not begun")
}

// blamesAnother reports whether a reason names network protocols, and not this one.
func blamesAnother(reason, name string) bool {
	names := func(ncp string) bool { return strings.Contains(reason, ncp+": ") }
	return !names(name) && slices.ContainsFunc([]string{"IPCP", "IPV6CP", "IPXCP"}, names)
}
