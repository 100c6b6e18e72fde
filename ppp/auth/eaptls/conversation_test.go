package eaptls

import (
	"testing"
)

func TestBothEndsProved(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			server, client := open(t, serverConfig(v.of)), open(t, clientConfig(v.of))
			s, c, _ := converse(t, server, client)
			wantBoth(t, s, c, Succeeded)
			wantEqualResults(t, server.Result(), client.Result(), v.of)
		})
	}
}
