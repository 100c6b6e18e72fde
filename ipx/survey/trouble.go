package survey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/words"
)

// trouble says what cannot be right, and who is in it.
func (s *Survey) trouble(r *Report) (all []string) {
	for _, t := range r.FrameTypes {
		all = append(all, twoNumbers(t)...)
		all = append(all, s.offered(t)...)
	}
	all = append(all, twoFrames(r.FrameTypes)...)
	all = append(all, twoMACs(r)...)
	all = append(all, twoServers(r.Servers)...)
	if more := len(all) - mostTrouble; more > 0 {
		all = append(all[:mostTrouble], fmt.Sprintf("and %d more of this kind", more))
	}
	return all
}

// mostTrouble is what somebody reads, and what a liar can make us say.
const mostTrouble = 50

// twoNumbers: a network has one number.
func twoNumbers(t FrameType) []string {
	if len(t.Networks) < 2 {
		return nil
	}
	var who []string
	for _, n := range t.Networks {
		who = append(who, fmt.Sprintf("%v (%s)", n.Network, few(texts(n.Stations), ", ")))
	}
	return []string{fmt.Sprintf("%v has %d network numbers: %s; a frame type on a wire has one: set all of them to the same, or look for two wires that are joined",
		t.Frame, len(t.Networks), few(who, "; "))}
}

// twoFrames: each frame type is a network of its own.
func twoFrames(types []FrameType) (all []string) {
	at := map[ipx.Network][]string{}
	for _, t := range types {
		for _, n := range t.Networks {
			at[n.Network] = append(at[n.Network], t.Frame.String())
		}
	}
	for n, frames := range at {
		if len(frames) > 1 {
			all = append(all, fmt.Sprintf("network number %v is used in %s: each frame type is a network of its own and needs another number", n, strings.Join(frames, " and ")))
		}
	}
	slices.Sort(all)
	return all
}

// offered: a router tells everybody of the wire's own number as of another
// wire's.
func (s *Survey) offered(t FrameType) (all []string) {
	for _, n := range t.Networks {
		offers := s.frames[t.Frame].networks[n.Network].offers
		for _, router := range nodes(offers) {
			all = append(all, fmt.Sprintf("router %v tells everybody in %v of network %v, %d hops away, which is the number of this wire: is there another wire with it?", router, t.Frame, n.Network, offers[router]))
		}
	}
	return all
}

// twoMACs: on the wire's own network a node is one card.
func twoMACs(r *Report) (all []string) {
	own := map[stationKey]bool{}
	for _, t := range r.FrameTypes {
		for _, n := range t.Networks {
			own[stationKey{enc: t.Frame, network: n.Network}] = true
		}
	}
	for _, st := range r.Stations {
		if len(st.By) > 1 && own[stationKey{enc: st.Frame, network: st.Network}] {
			all = append(all, fmt.Sprintf("node %v of network %v speaks from %d Ethernet addresses in %v: %s: two stations with one node, or two ways to it", st.Node, st.Network, len(st.By), st.Frame, few(texts(st.By), ", ")))
		}
	}
	return all
}

// twoServers: the inside of a file server is a network of its own, and its name
// is too.
func twoServers(servers []Server) (all []string) {
	byAddr, byName := map[ipx.Addr][]string{}, map[string][]string{}
	for _, s := range servers {
		if s.Type == sap.FileServer {
			byAddr[s.Address] = append(byAddr[s.Address], words.Quote(s.Name))
			byName[s.Name] = append(byName[s.Name], s.Address.String())
		}
	}
	for addr, names := range byAddr {
		if len(names) > 1 {
			all = append(all, fmt.Sprintf("file servers %s have one address, %v: each needs an internal network number of its own", few(names, ", "), addr))
		}
	}
	for name, addrs := range byName {
		if len(addrs) > 1 {
			all = append(all, fmt.Sprintf("file server %s is at %s: two servers of one name", words.Quote(name), few(addrs, ", ")))
		}
	}
	slices.SortFunc(all, cmp.Compare)
	return all
}

// few names some, and how many more there are.
func few(all []string, sep string) string {
	const most = 4
	if len(all) <= most {
		return strings.Join(all, sep)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], sep), len(all)-most)
}

func texts(nodes []ipx.Node) (all []string) {
	for _, n := range nodes {
		all = append(all, n.String())
	}
	return all
}
