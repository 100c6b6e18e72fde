package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// A Client asks a running daemon over its control socket.
type Client struct {
	Socket string
}

// Get decodes the answer to a GET of path into v.
func (c Client) Get(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodGet, path, v)
}

// Post decodes the answer to a POST to path into v.
func (c Client) Post(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodPost, path, v)
}

// Stream asks the daemon for what path names, and returns its answer as it comes. It
// ends when ctx does. The caller closes it.
func (c Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.open(ctx, http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c Client) do(ctx context.Context, method, path string, v any) error {
	resp, err := c.open(ctx, method, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// open asks, and returns an answer that is not a refusal; the caller closes its body.
func (c Client) open(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://sitebridge"+path, nil)
	if err != nil {
		return nil, err
	}
	hc := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
		},
	}}
	resp, err := hc.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("%w on %s: is it running? (sitebridge run) Or does daemon.status name another socket? (--config FILE, or --socket FILE)", ErrNoDaemon, c.Socket)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("may not use %s: be root or in the group that owns it", c.Socket)
	case err != nil:
		return nil, fmt.Errorf("ask the daemon on %s: %w", c.Socket, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var e apiError
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case json.Unmarshal(body, &e) != nil || e.Error == "":
		return nil, fmt.Errorf("the daemon answered %s", resp.Status)
	case len(e.Faults) > 0:
		return nil, &e.Faults
	}
	return nil, errors.New(e.Error)
}
