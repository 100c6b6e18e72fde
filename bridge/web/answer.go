package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// fresh is how long an answer is good for other readers too. Hundreds of sites and
// thousands of networks are megabytes, and a page asks every two seconds.
const fresh = time.Second

// An answer is JSON that is made when somebody asks, and once for all who ask then.
type answer struct {
	make func() any

	mu     sync.Mutex // guards what follows, and lets one be made at a time
	made   time.Time
	plain  []byte
	packed []byte // by gzip
}

func newAnswer(make func() any) *answer { return &answer{make: make} }

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	plain, packed, err := a.get(time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed) // a reader that went away is not our business
		return
	}
	w.Write(plain)
}

// get returns the answer, made anew if the last one is old. Nobody changes the octets.
func (a *answer) get(now time.Time) (plain, packed []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plain != nil && now.Sub(a.made) < fresh {
		return a.plain, a.packed, nil
	}
	if plain, err = json.Marshal(a.make()); err != nil {
		return nil, nil, err
	}
	a.made, a.plain, a.packed = now, plain, pack(plain)
	return a.plain, a.packed, nil
}

// pack compresses b. The page may be read by a line that is in use for work.
func pack(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // a level that there is
	z.Write(b)
	z.Close()
	return out.Bytes()
}
