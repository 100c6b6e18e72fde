package bridge

import (
	"errors"
	"strings"
)

// unsafeTLS tells why what the variable GODEBUG says must not hold for Go's TLS. With
// tlsunsafeekm it makes keys of a session of TLS 1.2 that has no extended master
// secret: who stands between two handshakes can have both make the same (RFC 7627,
// section 1).
func unsafeTLS(godebug string) error {
	for setting := range strings.SplitSeq(godebug, ",") {
		if value, ok := strings.CutPrefix(setting, "tlsunsafeekm="); ok && value != "0" {
			return errors.New("GODEBUG=tlsunsafeekm is in the environment: with TLS 1.2, somebody on the way could have the keys of both ends: take it out")
		}
	}
	return nil
}
