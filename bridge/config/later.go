package config

import "slices"

// What is planned and not in this version: it is known, and refused with what
// to write instead. A key moves from here to its reader when it is built.

// soon parses one of the words that work in this version, and tells them from
// those of later ones.
func soon[T ~string](now []T, later ...T) func(any) (T, *mistake) {
	return func(raw any) (T, *mistake) {
		if s, ok := raw.(string); ok && slices.Contains(later, T(s)) {
			return "", &mistake{"this version does not have " + show(raw), "write " + oneOf(now)}
		}
		return word(now...)(raw)
	}
}
