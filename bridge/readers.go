package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"sitebridge/bridge/config"
)

// How much whoever reads metrics, or the status page, may hold of us.
const (
	readersConnections = 32
	readersTime        = 10 * time.Second
	readersIdle        = time.Minute // between two questions on one connection
)

// A readersKind is what can be read by HTTP.
type readersKind int

const (
	ofMetrics readersKind = iota
	ofPage
)

func (k readersKind) what() string { return [...]string{"metrics", "the status page"}[k] }
func (k readersKind) key() string  { return [...]string{"daemon.metrics", "daemon.web"}[k] }

// at is where a configuration wants it.
func (k readersKind) at(c *config.Config) netip.AddrPort {
	return [...]netip.AddrPort{c.Daemon.Metrics, c.Daemon.Web}[k]
}

// readable is what is answered.
func (d *Daemon) readable(k readersKind) http.Handler {
	if k == ofPage {
		return d.pageHandler()
	}
	return metricsHandler(d.Status, d.log)
}

// A readersDoor is an address at which something can be read.
type readersDoor struct {
	kind readersKind
	at   netip.AddrPort
	l    net.Listener
	end  context.CancelFunc // of what startReaders started
}

// openReaders opens the socket that c names; nil when it names none.
func openReaders(ctx context.Context, k readersKind, c *config.Config) (*readersDoor, error) {
	at := k.at(c)
	if !at.IsValid() {
		return nil, nil
	}
	l, err := listenReaders(ctx, k, at)
	if err != nil {
		return nil, err
	}
	return &readersDoor{kind: k, at: at, l: l}, nil
}

func listenReaders(ctx context.Context, k readersKind, at netip.AddrPort) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("listen for those who read %s, on %v: %w: is another program there? %s names another address", k.what(), at, err, k.key())
	}
	return l, nil
}

// startReaders answers at these doors, until the daemon's end or until they are closed.
func (d *Daemon) startReaders(all ...*readersDoor) {
	for _, r := range all {
		if r == nil {
			continue
		}
		ctx, end := context.WithCancel(d.run.under)
		r.end = end
		d.run.group.Go(func() error { return serveReaders(ctx, r.l, d.readable(r.kind), r.kind.what(), d.log) })
	}
}

func (d *Daemon) closeReaders() error {
	var errs []error
	for _, r := range d.readers {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

func (r *readersDoor) close() error {
	if r == nil {
		return nil
	}
	if r.end != nil {
		r.end()
	}
	return closed(r.l)()
}

// serveReaders answers by h on l until ctx ends.
func serveReaders(ctx context.Context, l net.Listener, h http.Handler, what string, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readersTime,
		ReadTimeout:       readersTime,
		WriteTimeout:      2 * readersTime,
		IdleTimeout:       readersIdle,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	// Who closes the door ends ctx and then closes l, of which srv may not know yet.
	if err := srv.Serve(netutil.LimitListener(l, readersConnections)); ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", what, err)
	}
	return nil
}
