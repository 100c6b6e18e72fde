package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An EventKind says what happened. Kinds are only added.
type EventKind string

// The kinds.
const (
	EventStarted     EventKind = "started"      // the daemon makes and takes calls
	EventStopped     EventKind = "stopped"      // the daemon ends
	EventReloaded    EventKind = "reloaded"     // the daemon has another configuration
	EventUp          EventKind = "up"           // a site is up
	EventDown        EventKind = "down"         // a site is not up any more, or could not be brought up
	EventCallerUp    EventKind = "caller-up"    // a caller of a site with a pool is up
	EventCallerGone  EventKind = "caller-gone"  // and its call has ended
	EventIdle        EventKind = "idle"         // a demand site has hung up for want of traffic
	EventClash       EventKind = "clash"        // two claim one number of IPX
	EventClashOver   EventKind = "clash-over"   // that was not seen for five minutes
	EventTrouble     EventKind = "trouble"      // something is wrong on a LAN
	EventTroubleOver EventKind = "trouble-over" // and is not any more
	EventExpiry      EventKind = "expiry"       // a certificate or revocation list runs out
	EventLost        EventKind = "lost"         // the last line for a reader that was too slow
)

// An Event is something that an operator may want to be told. What a peer chose in it
// is escaped.
type Event struct {
	Seq     uint64           `json:"seq"` // counts from 1 since the daemon started
	Time    time.Time        `json:"time"`
	Kind    EventKind        `json:"event"`
	Site    string           `json:"site,omitempty"`
	Caller  string           `json:"caller,omitempty"` // of a site with a pool: who it proved to be
	Peer    netip.Addr       `json:"peer,omitzero"`    // where the site's peer is
	Reason  string           `json:"reason,omitempty"`
	Numbers map[string]int64 `json:"numbers,omitempty"`
}

const (
	// keptEvents is how many are told to a reader that comes later.
	keptEvents = 256
	// readerQueue is how many a reader may be behind.
	readerQueue = 256
)

// events are what happened, and who is told. The zero one is ready.
type events struct {
	mu      sync.Mutex // guards what follows
	seq     uint64
	recent  []Event // the oldest first
	readers []*eventReader
}

// An eventReader is somebody who is told events as they happen.
type eventReader struct {
	queue chan Event // never closed
	over  chan struct{}
	lost  uint64 // since the queue was full for the first time; guarded by events.mu
}

// emit tells of an event. It may be called from any goroutine and does not wait.
func (d *Daemon) emit(e Event) { d.events.add(e) }

func (s *events) add(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	e.Seq, e.Site, e.Caller, e.Reason = s.seq, plainText(e.Site), plainText(e.Caller), plainText(e.Reason)
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if len(s.recent) == keptEvents {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	s.recent = append(s.recent, e)
	for _, r := range s.readers {
		r.take(e)
	}
}

// take queues an event. A reader that has missed one is told no more of them: what it
// has would not fit together.
func (r *eventReader) take(e Event) {
	if r.lost == 0 {
		select {
		case r.queue <- e:
			return
		default:
			close(r.over)
		}
	}
	r.lost++
}

// follow begins to tell a reader, and returns what happened after the event since.
func (s *events) follow(since uint64, queue int) ([]Event, *eventReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &eventReader{queue: make(chan Event, queue), over: make(chan struct{})}
	s.readers = append(s.readers, r)
	first := slices.IndexFunc(s.recent, func(e Event) bool { return e.Seq > since })
	if first < 0 {
		return nil, r
	}
	return slices.Clone(s.recent[first:]), r
}

// leave ends the telling, and returns how many events the reader has missed.
func (s *events) leave(r *eventReader) (lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(o *eventReader) bool { return o == r })
	return r.lost
}

// resume is for a reader that was too slow: it tells what the reader has and what it has
// missed since the event last, as far as that is known, and returns one that goes on.
func (s *events) resume(r *eventReader, last *uint64, tell func(Event)) *eventReader {
	for len(r.queue) > 0 {
		tell(<-r.queue)
	}
	s.leave(r)
	known, next := s.follow(*last, cap(r.queue))
	for _, e := range known {
		tell(e)
	}
	return next
}

// maxText is how long a text of an event may be.
const maxText = 1024

// plainText is text without anything but printable characters: the others are escaped
// as Go does, the backslash is left alone, for most texts were escaped before.
func plainText(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case b.Len() > maxText:
			return b.String() + "..."
		case r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// streamEvents answers with events, a line of JSON for each, until the client has
// enough. With follow=0 it ends with those that are known.
func (d *Daemon) streamEvents(w http.ResponseWriter, r *http.Request) {
	since, err := sinceOf(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	known, reader := d.events.follow(since, readerQueue)
	w.Header().Set("Content-Type", "application/jsonl")
	out := json.NewEncoder(w)
	for _, e := range known {
		if out.Encode(e) != nil {
			break
		}
	}
	if r.FormValue("follow") != "0" {
		tellEvents(w, r, out, reader)
	}
	if lost := d.events.leave(reader); lost > 0 {
		out.Encode(Event{Time: time.Now(), Kind: EventLost, Numbers: map[string]int64{"lost": int64(lost)},
			Reason: "this reader was too slow: ask again for what is still known"})
	}
}

func sinceOf(r *http.Request) (uint64, error) {
	text := r.FormValue("since")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errors.New("since is the number of an event: what comes after it is told")
	}
	return n, nil
}

// tellEvents tells a reader what happens, until it is gone or too slow.
func tellEvents(w http.ResponseWriter, r *http.Request, out *json.Encoder, reader *eventReader) {
	flush := http.NewResponseController(w)
	for {
		if len(reader.queue) == 0 && flush.Flush() != nil {
			return
		}
		select {
		case e := <-reader.queue:
			if out.Encode(e) != nil {
				return
			}
		case <-reader.over:
			for len(reader.queue) > 0 && out.Encode(<-reader.queue) == nil {
			}
			return
		case <-r.Context().Done():
			return
		}
	}
}
