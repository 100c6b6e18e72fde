package config

import (
	"fmt"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// networkRange parses "00000020" or "00000020-0000002F".
func networkRange(raw any) (policy.NetworkRange, *mistake) {
	s, _ := raw.(string)
	r, err := policy.ParseNetworkRange(s)
	if err != nil {
		return r, notA(raw, "a range of IPX networks", `write it as in "00000020" or "00000020-0000002F"`)
	}
	return r, nil
}

// servicePattern parses "0004 FS*".
func servicePattern(raw any) (policy.ServicePattern, *mistake) {
	s, _ := raw.(string)
	p, err := policy.ParseServicePattern(s)
	if err != nil {
		return p, notA(raw, "a pattern for IPX services", `write a type in hexadecimal, or "*", and a name, as in "0004 FS*", "0278" or "* FS1"`)
	}
	return p, nil
}

// filterRule parses "deny socket 0455".
func filterRule(raw any) (policy.Rule, *mistake) {
	s, _ := raw.(string)
	r, err := policy.ParseRule(s)
	if err != nil {
		return r, notA(raw, "a filter rule", `write "deny" or "permit" and pairs of a word and a value, as in "deny socket 0455" or "permit src-network 00000020-0000002F dst-socket 0451"; words are network, node and socket, also with src- or dst- before them, and type`)
	}
	return r, nil
}

// ipxSocket parses the number of a socket.
func ipxSocket(raw any) (ipx.Socket, *mistake) {
	s, _ := raw.(string)
	n, err := ipx.ParseSocket(s)
	if err != nil || n == 0 {
		return 0, notA(raw, "an IPX socket", `write quoted hexadecimal, as in "0451"`)
	}
	return n, nil
}

// station parses the address of one station.
func station(raw any) (ipx.Node, *mistake) {
	s, _ := raw.(string)
	n, err := ipx.ParseNode(s)
	if err != nil || n.IsZero() || n.IsGroup() {
		return ipx.Node{}, notA(raw, "the Ethernet address of a station", `write it as in "020000001001" or "02:00:00:00:10:01"`)
	}
	return n, nil
}

func propagation(raw any) (policy.Propagation, *mistake) {
	return oneWordOf(raw, policy.PropagateOn, policy.PropagateOff, policy.PropagateReverse)
}

func nearest(raw any) (policy.Nearest, *mistake) {
	return oneWordOf(raw, policy.NearestAuto, policy.NearestAlways, policy.NearestNever)
}

// oneWordOf parses the word of one of a few values.
func oneWordOf[T fmt.Stringer](raw any, values ...T) (T, *mistake) {
	var words []string
	for _, v := range values {
		if raw == v.String() {
			return v, nil
		}
		words = append(words, v.String())
	}
	return values[0], notA(raw, "known here", "write "+oneOf(words))
}
