package bridge

import (
	"net/http"

	"sitebridge/bridge/web"
	"sitebridge/ipx/words"
)

// pageHandler serves the status page: what the control socket tells, and none of what
// can be done there.
func (d *Daemon) pageHandler() http.Handler {
	return web.Handler(web.Source{
		Status:   func() any { return d.Status() },
		IPX:      func() any { return d.ipxTables() },
		Services: words.ServiceNames(),
	})
}
