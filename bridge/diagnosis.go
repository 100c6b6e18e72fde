package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/bridge/diagnose"
	"sitebridge/ip"
)

// diagnoseTime is how long a diagnosis may take in all.
const diagnoseTime = 90 * time.Second

// diagnose answers each finding about a site as it is made, a line of JSON each, and
// then the conclusion.
func (d *Daemon) diagnose(w http.ResponseWriter, r *http.Request) {
	st := d.site(r.PathValue("site"))
	if st == nil {
		refuse(w, http.StatusNotFound, noSite(r.PathValue("site"), d.siteNames()))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), diagnoseTime)
	defer cancel()
	w.Header().Set("Content-Type", "application/jsonl")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w).Flush
	result := diagnose.Run(ctx, d.prober(st), func(f diagnose.Finding) {
		enc.Encode(diagnose.Line{Finding: &f}) // a client that went away ends ctx
		flush()
	})
	enc.Encode(diagnose.Line{Conclusion: &result})
}

// ErrNoDaemon says that nobody answers on the control socket.
var ErrNoDaemon = errors.New("no sitebridge answers")

// Diagnose has the daemon diagnose a site, and calls tell for each finding.
func (c Client) Diagnose(ctx context.Context, site string, tell func(diagnose.Finding)) (result diagnose.Conclusion, err error) {
	resp, err := c.open(ctx, http.MethodPost, "/v1/sites/"+url.PathEscape(site)+"/diagnose")
	if err != nil {
		return result, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(bufio.NewReader(resp.Body)); ; {
		var l diagnose.Line
		if err := lines.Decode(&l); err != nil {
			return result, fmt.Errorf("read the daemon's answer: %w", err)
		}
		if l.Conclusion != nil {
			return *l.Conclusion, nil
		}
		if l.Finding != nil {
			tell(*l.Finding)
		}
	}
}

// DiagnoseOffline diagnoses a site without a daemon, as far as that goes: names, routes,
// TCP and the control connection, dates. offline says why there is no daemon.
func DiagnoseOffline(ctx context.Context, cfg *config.Config, name string, offline error, tell func(diagnose.Finding)) (diagnose.Conclusion, error) {
	d := newDaemon(cfg, slog.New(slog.DiscardHandler), "")
	c := cfg.Site(name)
	if c == nil {
		return diagnose.Conclusion{}, noSite(name, d.siteNames())
	}
	if c.Remote != nil {
		return diagnose.Conclusion{}, fmt.Errorf("site %s has a pool, and no one peer to look for: %w", name, offline)
	}
	host, err := ip.OpenHost()
	if err != nil {
		return diagnose.Conclusion{}, err
	}
	defer host.Close()
	d.host = host
	p := d.prober(&site{d: d, cfg: c, log: d.log})
	p.offline = offline
	if p.unmarked = !mayMark(); p.unmarked {
		p.resolver, d.connect = net.DefaultResolver, connectUnmarked
	}
	ctx, cancel := context.WithTimeout(ctx, diagnoseTime)
	defer cancel()
	return diagnose.Run(ctx, p, tell), nil
}

// mayMark reports whether we may keep our packets out of the tunnels.
func mayMark() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(ip.Mark)) == nil
}

func connectUnmarked(ctx context.Context, s *site, to netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	if a := s.cfg.Source.Address; a.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: a.AsSlice()}
	}
	return dialer.DialContext(ctx, "tcp4", to.String())
}
