package config

import (
	"fmt"

	"sitebridge/ppp/auth"
)

// A Warning is something that works and that an operator should know about.
type Warning struct {
	Site string
	Text string
}

func (w Warning) String() string { return fmt.Sprintf("site.%s: %s", w.Site, w.Text) }

// Warnings lists what `check`, the start of the daemon and status must tell.
func (c *Config) Warnings() []Warning {
	var all []Warning
	for _, s := range c.Sites {
		for _, m := range s.Auth.Methods {
			if text := weakness[m]; text != "" {
				all = append(all, Warning{s.Name, text})
			}
		}
		if len(s.Dial) > 0 && s.Auth.SecretIn == "" && (s.Auth.Allows(auth.CHAP) || s.Auth.Allows(auth.PAP)) {
			all = append(all, Warning{s.Name, "with chap and pap the peer that we dial proves itself only if there is a secret_in_file"})
		}
		if s.Policy == PolicyDisabled {
			all = append(all, Warning{s.Name, "nothing in this tunnel is encrypted: who is on the way can read and change it"})
		}
	}
	return all
}

// weakness says what is wrong with each method.
var weakness = map[auth.Method]string{
	auth.MSCHAPv2: "mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else",
	auth.CHAP:     "chap lets who recorded an exchange try secrets against it: take a long random secret that is used for nothing else",
	auth.PAP:      "pap sends the secret in clear: who is on the way can read it",
}
