package ipx

// A DropReason says why a packet or frame goes no further. It is an error, and
// its name is the key under which such frames are counted.
type DropReason byte

const (
	// NotIPX is a frame of another protocol.
	NotIPX DropReason = iota + 1
	// Tagged is a frame with a VLAN tag: it belongs to another wire.
	Tagged
	// BadSource is a frame from a group or zero Ethernet address.
	BadSource
	// Truncated is a frame that ends before the IPX header does.
	Truncated
	// Short is a packet whose length field says less than a header.
	Short
	// Overlong is a packet whose length field says more than there is.
	Overlong
	// TooLong is a packet that does not fit into a frame of the wanted kind.
	TooLong
)

var dropReasons = [...]string{
	NotIPX:    "not_ipx",
	Tagged:    "vlan",
	BadSource: "bad_source",
	Truncated: "truncated",
	Short:     "short",
	Overlong:  "overlong",
	TooLong:   "too_long",
}

// String returns the reason's name in counters.
func (r DropReason) String() string {
	if int(r) < len(dropReasons) {
		return dropReasons[r]
	}
	return "unknown"
}

func (r DropReason) Error() string { return "ipx: dropped: " + r.String() }
