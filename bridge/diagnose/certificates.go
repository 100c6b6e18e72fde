package diagnose

import (
	"fmt"
	"time"
)

// soon is how many days before its end a certificate is worth a warning.
const soon = 30

func judgeCertificates(c Certificates) Finding {
	var findings []Finding
	if c.Unlisted != nil {
		findings = append(findings, fault("bring a new one: sitebridge identity revoke, without FILE, renews it", "the revocation list cannot be used, so that nobody is let in: %s", c.Unlisted))
	}
	for _, cert := range c.All {
		findings = append(findings, judgeDates(cert, c.Now))
	}
	if len(findings) == 0 {
		return unknown("none has been seen")
	}
	return worst(findings[0], findings[1:]...)
}

func judgeDates(c Certificate, now time.Time) Finding {
	what := fmt.Sprintf("%s (%s)", c.Name, c.Use)
	days := int(c.To.Sub(now) / (24 * time.Hour))
	const renew = "make the next one: docs/commands.md, identity, Renewal"
	switch {
	case c.To.IsZero():
		return ok("%s: no end", what)
	case now.Before(c.From):
		return fault("is the clock of this machine right? `timedatectl`", "%s is not valid before %s", what, c.From.UTC().Format(time.DateTime))
	case now.After(c.To):
		return fault(renew+"; or is the clock of this machine wrong?", "%s expired on %s", what, c.To.UTC().Format(time.DateOnly))
	case days < soon:
		return warning(renew, "%s expires on %s, in %d days", what, c.To.UTC().Format(time.DateOnly), days)
	}
	return ok("%s until %s", what, c.To.UTC().Format(time.DateOnly))
}
