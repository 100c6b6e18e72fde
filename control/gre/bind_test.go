package gre

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"sitebridge/internal/packet"
)

// pathCarrier notes by which way packets leave.
type pathCarrier struct {
	*Memory
	paths []Path
}

func (c *pathCarrier) Send(path Path, _ []*packet.Buffer, _ bool) error {
	c.paths = append(c.paths, path)
	return nil
}

func TestDeviceOfACallThatRuns(t *testing.T) {
	var net Network
	us, peer := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	carrier := &pathCarrier{Memory: net.Attach(us)}
	c, err := NewMux(carrier, nil, slog.New(slog.DiscardHandler)).Open(peer, ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Connect(us, 7, 64, func([]*packet.Buffer) {})
	for device := range 3 {
		c.SetDevice(device)
		if err := c.Send(numbered(0, 1), true); err != nil {
			t.Fatal(err)
		}
	}
	want := []Path{{Local: us, Remote: peer}, {Local: us, Remote: peer, Device: 1}, {Local: us, Remote: peer, Device: 2}}
	if !slices.Equal(carrier.paths, want) {
		t.Errorf("left by %v, want %v", carrier.paths, want)
	}
}
