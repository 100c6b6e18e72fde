package config

import (
	"bytes"
	"unicode/utf8"

	"sitebridge/internal/secret"
)

// maxSecret is what PAP can carry.
const maxSecret = 255

// secretBeside parses the path of a secret, relative to the file that names it.
func secretBeside(at place) func(any) (secret.Secret, *mistake) {
	return func(raw any) (secret.Secret, *mistake) {
		path, wrong := text(raw)
		if wrong != nil {
			return "", wrong
		}
		return readSecret(at.doc.beside(""), path)
	}
}

// readSecret reads a secret from path, which is relative to base.
func readSecret(base, path string) (secret.Secret, *mistake) {
	b, wrong := secretFile.read(base, path)
	if wrong != nil {
		return "", wrong
	}
	return parseSecret(b, path)
}

// parseSecret takes the one line that a file holds.
func parseSecret(b []byte, path string) (secret.Secret, *mistake) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	const fix = "write the secret in one line of UTF-8, of at most 255 octets"
	switch {
	case len(line) == 0:
		return "", &mistake{show(path) + " is empty", fix}
	case len(line) > maxSecret:
		return "", &mistake{show(path) + " holds too long a secret", fix}
	case bytes.ContainsAny(line, "\n\r\x00"):
		return "", &mistake{show(path) + " holds more than one line", fix}
	case !utf8.Valid(line): // MS-CHAPv2 could not turn it into UTF-16
		return "", &mistake{show(path) + " is not UTF-8", fix}
	}
	return secret.Secret(line), nil
}
