package ipx

import (
	"fmt"
	"strings"
)

// An Encapsulation is one of the four ways in which Novell put IPX into
// Ethernet frames. Stations that use different ones do not hear each other:
// each is an IPX network of its own, even on one cable.
type Encapsulation uint8

const (
	// EthernetII: an Ethernet type, then IPX. Novell's name is ETHERNET_II.
	EthernetII Encapsulation = iota
	// Ethernet8023: a length, then IPX with no LLC header, told apart by the
	// checksum FFFF at its start. Novell's "raw" ETHERNET_802.3.
	Ethernet8023
	// Ethernet8022: a length and an LLC header. Novell's ETHERNET_802.2.
	Ethernet8022
	// EthernetSNAP: a length, an LLC and a SNAP header. Novell's ETHERNET_SNAP.
	EthernetSNAP

	// Encapsulations is how many there are, for tables indexed by one.
	Encapsulations = 4
)

// encapsulations holds what tells the four apart.
var encapsulations = [Encapsulations]struct {
	name string
	llc  string // what stands between the 14 octets of Ethernet and the packet
}{
	EthernetII:   {name: "ethernet_ii"},
	Ethernet8023: {name: "ethernet_802_3"},
	Ethernet8022: {name: "ethernet_802_2", llc: llcIPX},
	EthernetSNAP: {name: "ethernet_snap", llc: llcSNAP},
}

const (
	// llcIPX: destination and source SAP of NetWare, unnumbered information.
	llcIPX = "\xE0\xE0\x03"
	// llcSNAP: both SAPs of SNAP, unnumbered information, no organization, and
	// the Ethernet type of IPX (RFC 1042).
	llcSNAP = "\xAA\xAA\x03\x00\x00\x00\x81\x37"
)

// ParseEncapsulation reads a name as the configuration writes it.
func ParseEncapsulation(s string) (Encapsulation, error) {
	for e := range Encapsulations {
		if encapsulations[e].name == s {
			return Encapsulation(e), nil
		}
	}
	return 0, fmt.Errorf(`%q is not an IPX frame type: want "ethernet_ii", "ethernet_802_3", "ethernet_802_2" or "ethernet_snap"`, s)
}

// ParseFrameType reads a name as people write it: as the configuration does, as
// Novell does ("ETHERNET_802.2"), and short ("802.3", "ii", "snap").
func ParseFrameType(s string) (Encapsulation, error) {
	name := strings.ToLower(strings.ReplaceAll(s, ".", "_"))
	if e, err := ParseEncapsulation("ethernet_" + strings.TrimPrefix(name, "ethernet_")); err == nil {
		return e, nil
	}
	return ParseEncapsulation(s) // for its message
}

// String returns the name as the configuration writes it.
func (e Encapsulation) String() string {
	if e >= Encapsulations {
		return fmt.Sprintf("encapsulation(%d)", uint8(e))
	}
	return encapsulations[e].name
}

// MarshalText is String, for JSON.
func (e Encapsulation) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is ParseEncapsulation.
func (e *Encapsulation) UnmarshalText(text []byte) (err error) {
	*e, err = ParseEncapsulation(string(text))
	return err
}

// HeaderLen returns the number of octets in front of the packet in a frame.
func (e Encapsulation) HeaderLen() int { return ethernetLen + len(encapsulations[e].llc) }

// MaxPacket returns the length of the longest packet that a frame of the
// standard size carries.
func (e Encapsulation) MaxPacket() int { return MaxLen - len(encapsulations[e].llc) }
