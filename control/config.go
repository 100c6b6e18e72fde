package control

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"sitebridge/internal/tap"
)

// Config is how this end behaves on its control connections.
type Config struct {
	Host, Vendor string // our names, cut to 64 octets
	Firmware     uint16
	// NewVendor makes the vendor string for the peer of a connection that we answer, in
	// place of Vendor; nil: it is Vendor. It is called as Admit is.
	NewVendor func(Peer) string

	EchoInterval time.Duration // silence after which an Echo-Request is sent; zero: 60 s
	EchoTimeout  time.Duration // how long its reply may take; zero: 60 s
	ReplyTimeout time.Duration // how long other replies may take; zero: 60 s
	StopTimeout  time.Duration // how long an orderly end may take; zero: 3 s
	WriteTimeout time.Duration // how long a peer may read nothing; zero: 30 s
	MaxCalls     int           // calls at once on one connection; zero: 64

	Log *slog.Logger // nil: none

	// NewTap makes where the packets of a connection's calls can be looked at; nil:
	// nowhere. The connection's own messages are shown there.
	NewTap func(local, remote netip.AddrPort) *tap.Tap

	// Admit judges each Start-Control-Connection-Request; nil admits all.
	// Answer decides each Outgoing-Call-Request and must call the Offer's Accept
	// or Refuse before it returns; nil refuses all ("do not accept").
	//
	// Both are called on the connection's own goroutine: they must not wait, and
	// must not call methods of the connection that do.
	Admit  func(Peer) Admission
	Answer func(*Offer)
}

func (c Config) withDefaults() Config {
	orElse(&c.EchoInterval, 60*time.Second)
	orElse(&c.EchoTimeout, 60*time.Second)
	orElse(&c.ReplyTimeout, 60*time.Second)
	orElse(&c.StopTimeout, 3*time.Second)
	orElse(&c.WriteTimeout, 30*time.Second)
	orElse(&c.MaxCalls, 64)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// orElse gives a setting that was left out its default.
func orElse[T comparable](setting *T, value T) {
	var zero T
	if *setting == zero {
		*setting = value
	}
}

// A Peer is what the other end said of itself, and where it is.
type Peer struct {
	Host, Vendor  Name
	Firmware      uint16
	Framing       uint32 // FramingAsync, FramingSync
	Bearer        uint32 // BearerAnalog, BearerDigital
	MaxChannels   uint16
	Version       uint16
	Local, Remote netip.AddrPort // of the TCP connection; invalid if it is not TCP
}

func peerOfRequest(nc net.Conn, m StartRequest) Peer {
	return Peer{
		Host: m.Host.Name(), Vendor: m.Vendor.Name(), Firmware: m.Firmware,
		Framing: m.Framing, Bearer: m.Bearer, MaxChannels: m.MaxChannels, Version: m.Version,
		Local: addrPort(nc.LocalAddr()), Remote: addrPort(nc.RemoteAddr()),
	}
}

func peerOfReply(nc net.Conn, m StartReply) Peer {
	return Peer{
		Host: m.Host.Name(), Vendor: m.Vendor.Name(), Firmware: m.Firmware,
		Framing: m.Framing, Bearer: m.Bearer, MaxChannels: m.MaxChannels, Version: m.Version,
		Local: addrPort(nc.LocalAddr()), Remote: addrPort(nc.RemoteAddr()),
	}
}

// addrPort returns a TCP address, IPv4 as IPv4 even on a socket for both.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
