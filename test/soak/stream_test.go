package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// Ports of the hosts.
const (
	portEcho  = "7"
	portFiles = "2000"
	portUDP   = "9000"
)

// content is a stream of octets that only its seed makes.
func content(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// serve hands each connection to fn, until the listener is closed.
func serve(ns *netlab.Namespace, addr string, fn func(net.Conn)) (stop func(), err error) {
	var l net.Listener
	err = ns.Do(func() (err error) {
		l, err = (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fn(c)
			}()
		}
	}()
	return func() { l.Close() }, nil
}

// echoing says again what is said.
func echoing(c net.Conn) { io.Copy(c, c) }

// files sends what it is asked for: a seed, and how many octets.
func files(c net.Conn) {
	var ask [16]byte
	if _, err := io.ReadFull(c, ask[:]); err == nil {
		io.Copy(c, io.LimitReader(content(binary.BigEndian.Uint64(ask[:])), int64(binary.BigEndian.Uint64(ask[8:]))))
	}
}

// A session is a TCP connection that lasts from the beginning to the end. What is said
// comes back, and must be what was said.
type session struct {
	name       string
	conn       net.Conn
	seed       uint64
	said, back atomic.Int64

	mu  sync.Mutex // guards err
	err error
}

func openSession(from, to *place, seed uint64) (*session, error) {
	c, err := lab.Dial(from.host, net.JoinHostPort(to.address(), portEcho), lab.Patience)
	if err != nil {
		return nil, err
	}
	s := &session{name: from.name + " to " + to.name, conn: c, seed: seed}
	go s.listen()
	return s, nil
}

func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// failed is the first thing that went wrong.
func (s *session) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// talk says something about so long each time that it is told to, until that is over.
func (s *session) talk(turns <-chan int) {
	for from, buf := content(s.seed), make([]byte, 1<<16); ; {
		n, ok := <-turns
		if !ok {
			return
		}
		from.Read(buf[:n]) // never fails
		if _, err := s.conn.Write(buf[:n]); err != nil {
			s.fail(fmt.Errorf("after %d octets: %w", s.said.Load(), err))
			return
		}
		s.said.Add(int64(n))
	}
}

func (s *session) listen() {
	want, is, should := content(s.seed), make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		n, err := s.conn.Read(is)
		want.Read(should[:n]) // never fails
		if !bytes.Equal(is[:n], should[:n]) {
			s.fail(fmt.Errorf("other octets than were said, about %d of them in", s.back.Load()))
			return
		}
		s.back.Add(int64(n))
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.fail(fmt.Errorf("after %d octets: %w", s.back.Load(), err))
			}
			return
		}
	}
}

// whole reports whether all that was said has come back.
func (s *session) whole() bool { return s.failed() == nil && s.said.Load() == s.back.Load() }

// transfer fetches a file over a connection of its own. begun says that it got that far.
func transfer(from, to *place, seed uint64, n int) (begun bool, err error) {
	c, err := lab.Dial(from.host, net.JoinHostPort(to.address(), portFiles), 30*time.Second)
	if err != nil {
		return false, err
	}
	defer c.Close()
	ask := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), uint64(n))
	if _, err := c.Write(ask); err != nil {
		return true, err
	}
	is, err := io.ReadAll(c)
	should := make([]byte, n)
	content(seed).Read(should)
	switch {
	case err != nil:
		return true, fmt.Errorf("after %d of %d octets: %w", len(is), n, err)
	case !bytes.Equal(is, should):
		return true, fmt.Errorf("%d octets that are not the %d that were sent", len(is), n)
	}
	return true, nil
}
