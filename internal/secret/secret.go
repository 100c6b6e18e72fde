// Package secret has the type for text that must never be shown.
package secret

import "fmt"

// Secret is text that must never reach a log, a status or an error message. It
// prints as [secret] whatever the verb; use Reveal where the text itself is
// needed for a computation.
type Secret string

const shown = "[secret]"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(w fmt.State, _ rune) { w.Write([]byte(shown)) }

// MarshalText keeps the text out of JSON, TOML and slog.
func (Secret) MarshalText() ([]byte, error) { return []byte(shown), nil }
