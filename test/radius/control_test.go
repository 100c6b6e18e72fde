package radius

import "testing"

// The control experiment: the two judges agree with each other, in this rig.
func TestJudgesAgree(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ uint16, number string) {
		w := newWorld(t)
		w.freeradius(pki().hq, number, "1000")
		text := w.supplicant(w.eapTLS(pki().west, pki().trusted, number, "1000")).ends(keysOK)
		wantVersion(t, text, number)
	})
	t.Run("EAP-MSCHAPv2", func(t *testing.T) {
		w := newWorld(t)
		w.freeradius(pki().hq, "1.2", "1000")
		w.supplicant(eapMSCHAPv2(password)).ends(keysOK)
	})
}
