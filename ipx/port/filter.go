package port

import (
	"slices"

	"golang.org/x/net/bpf"
)

const (
	accept = 1<<18 - 1 // octets of the frame to keep: all
	drop   = 0

	packetOtherHost = 3 // PACKET_OTHERHOST of packet(7): for another station
	packetOutgoing  = 4 // PACKET_OUTGOING: the host sends it

	// filterArrivalVLAN is how long the first question of filterArrival is, about a
	// VLAN tag: a Watch asks no other.
	filterArrivalVLAN = 3
)

// socketFilter is the program by which the kernel picks the frames that reach
// us: IPX in its four encapsulations from the wire. An interface may let in what
// is for others though we did not ask for it. What comes from the wire under our
// own address passes: it is dropped later, but counted and told.
func socketFilter(promiscuous bool) ([]bpf.RawInstruction, error) {
	program := slices.Clone(filterArrival)
	if !promiscuous {
		program = append(program, filterOthers...)
	}
	return bpf.Assemble(append(program, filterFrame...))
}

// filterArrival asks the kernel how the frame got here. A VLAN tag is no longer
// in the frame then: the kernel has taken it out, and without this question
// frames of all VLANs would look like frames of this wire. (On a VLAN's own
// interface the tag is gone for good, and frames pass.)
var filterArrival = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
	bpf.RetConstant{Val: drop},
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: packetOutgoing, SkipTrue: 1},
	bpf.RetConstant{Val: drop},
}

// filterOthers drops what is for another station.
var filterOthers = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: packetOtherHost, SkipTrue: 1},
	bpf.RetConstant{Val: drop},
}

// filterFrame looks at the frame as ipx.Decapsulate does. A frame that ends
// before what is loaded is dropped.
var filterFrame = []bpf.Instruction{
	// Ethernet II.
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x8137, SkipTrue: 1},
	bpf.RetConstant{Val: accept},

	// Another type; the rest has a length there, kept in X.
	bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: 1500, SkipTrue: 1},
	bpf.RetConstant{Val: drop},
	bpf.TAX{},

	// Raw 802.3.
	bpf.LoadAbsolute{Off: 14, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xFFFF, SkipTrue: 1},
	bpf.RetConstant{Val: accept},

	// 802.2: unnumbered information only.
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xE0E0, SkipTrue: 4},
	bpf.LoadAbsolute{Off: 16, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x03, SkipTrue: 1},
	bpf.RetConstant{Val: accept},
	bpf.RetConstant{Val: drop},

	// SNAP.
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xAAAA, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 16, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x03000000, SkipTrue: 3},
	bpf.LoadAbsolute{Off: 20, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x8137, SkipTrue: 1},
	bpf.RetConstant{Val: accept},
	bpf.RetConstant{Val: drop},

	// DOSBox's raw 802.3, checksum 0: both lengths agree, or differ by the
	// octet that made the frame even.
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0000, SkipTrue: 4},
	bpf.LoadAbsolute{Off: 16, Size: 2},
	bpf.ALUOpX{Op: bpf.ALUOpSub},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xFFFFFFFF, SkipTrue: 1},
	bpf.RetConstant{Val: drop},
	bpf.RetConstant{Val: accept},
}
