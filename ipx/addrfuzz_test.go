package ipx

import "testing"

// What is read as an address is written in one way, which is read as the same.
func FuzzParseAddr(f *testing.F) {
	f.Add("0000BEEF:000000000001:0451")
	f.Add("b:020000001001:9086")
	f.Add("-1:+20000001001:0x51")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := ParseAddr(s); err == nil {
			if again, err := ParseAddr(a.String()); err != nil || again != a {
				t.Errorf("%q is %v, which is %v, %v", s, a, again, err)
			}
		}
		if n, err := ParseNode(s); err == nil {
			if again, err := ParseNode(n.String()); err != nil || again != n {
				t.Errorf("%q is %v, which is %v, %v", s, n, again, err)
			}
		}
	})
}
