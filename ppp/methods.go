package ppp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// answerAuth takes only methods of prove, whatever the peer insists on.
func (n *lcp) answerAuth(o fsm.Option) (fsm.Code, fsm.Option) {
	if m, ok := auth.ParseLCPOption(o.Data); ok && slices.Contains(carriers(n.prove), m) {
		return fsm.ConfigureAck, o
	}
	n.wants = describeAuth(o.Data)
	n.wanted = n.wants
	if len(n.prove) == 0 {
		return fsm.ConfigureReject, o
	}
	return fsm.ConfigureNak, authOption(n.prove[0])
}

// dispute tells what the two sides could not agree on, after a semicolon.
func (n *lcp) dispute() string {
	switch {
	case n.wants == "":
		return ""
	case len(n.prove) == 0:
		return fmt.Sprintf("; it wants us to prove ourselves with %s, but nothing is configured for that", n.wants)
	}
	return fmt.Sprintf("; it wants us to prove ourselves with %s, but only %s is configured", n.wants, words(n.prove))
}

// gaveUp tells of a peer that asked for a method that we refused, and then for
// none, as pppd does; after a semicolon.
func (n *lcp) gaveUp() string {
	if n.wanted == "" {
		return ""
	}
	return fmt.Sprintf("; it asked for %s, and then for nothing", n.wanted)
}

// moveAuth takes the peer's refusal of the method that we asked for, and what
// it would do instead. Only methods of ask are ever asked for, whatever the
// suggestion is, and each is refused once: this walk ends.
func (n *lcp) moveAuth(suggestion []byte) error {
	n.left = slices.DeleteFunc(n.left, func(m auth.Method) bool { return m == n.ours.Auth })
	if len(n.left) == 0 {
		return ended(PeerNotProved, "peer refuses to prove itself with %s: it wants %s", words(n.ask), describeAuth(suggestion))
	}
	n.ours.Auth = n.left[0]
	if m, ok := auth.ParseLCPOption(suggestion); ok && slices.Contains(n.left, m) {
		n.ours.Auth = m
	}
	return nil
}

// carriers lists what LCP knows of methods, each once and in their order: all
// methods of EAP are one there.
func carriers(methods []auth.Method) []auth.Method {
	var all []auth.Method
	for _, m := range methods {
		if c := m.Carrier(); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// ofEAP lists those of methods that EAP decides between.
func ofEAP(methods []auth.Method) []auth.Method {
	return slices.DeleteFunc(slices.Clone(methods), func(m auth.Method) bool { return m.Carrier() != auth.EAP })
}

// words lists methods for a person: "mschapv2 or chap".
func words(methods []auth.Method) string {
	var w []string
	for _, m := range methods {
		w = append(w, m.String())
	}
	return strings.Join(w, " or ")
}

// describeAuth names what the data of an Authentication-Protocol option asks for.
func describeAuth(data []byte) string {
	if m, ok := auth.ParseLCPOption(data); ok {
		return m.String()
	}
	switch {
	case len(data) == 3 && binary.BigEndian.Uint16(data) == protocolCHAP && data[2] == 0x80:
		return "mschapv1"
	}
	return fmt.Sprintf("protocol %x", data[:min(len(data), 4)])
}
