package config

import (
	"maps"
	"slices"
	"strings"

	"sitebridge/ipx"
)

// A table is one table of a document on its way to a checked type. Each key
// that is asked for becomes a known one; unknown reports the others.
type table struct {
	place
	values   map[string]any
	present  bool
	defaults *table // where keys are looked up that this one does not have; may be nil
	known    map[string]bool
	subs     map[string]*table // of defaults: those handed out
}

// A value is what stands at a key.
type value struct {
	place
	raw any
}

// own looks a key up in the table itself.
func (t *table) own(key string) (value, bool) {
	t.known[key] = true
	raw, ok := t.values[key]
	return value{t.below(key), raw}, ok
}

// get looks a key up, in the table and then in its defaults.
func (t *table) get(key string) (value, bool) {
	v, ok := t.own(key)
	if t.defaults == nil {
		return v, ok
	}
	if d, inDefaults := t.defaults.get(key); inDefaults && !ok {
		return d, true
	}
	return v, ok
}

// has reports whether the key stands in the table or its defaults.
func (t *table) has(key string) bool {
	_, ok := t.get(key)
	return ok
}

// owns reports whether the key stands in the table itself.
func (t *table) owns(key string) bool {
	_, ok := t.own(key)
	return ok
}

// stray reports keys of the table itself that mean nothing there. What the defaults
// say is for others.
func (t *table) stray(reason, fix string, keys ...string) {
	for _, key := range keys {
		if at := t.below(key); t.owns(key) && at.faultless() {
			at.fault(reason, fix)
		}
	}
}

// at returns where the key stands that counts.
func (t *table) at(key string) place {
	v, _ := t.get(key)
	return v.place
}

// sub returns the table at key, with the one in the defaults as its defaults.
// One that is not there is empty.
func (t *table) sub(key string) *table {
	v, ok := t.own(key)
	s := &table{place: v.place, present: ok, known: map[string]bool{}}
	if ok {
		if s.values, ok = v.raw.(map[string]any); !ok {
			v.fault(show(v.raw)+" is not a table", "write ["+v.String()+"], with its keys below")
		}
	}
	if t.defaults != nil {
		s.defaults = t.defaults.cached(key)
	}
	return s
}

// cached returns the table at key of the defaults: one for all sites, so that a
// key is known when any of them asks for it.
func (t *table) cached(key string) *table {
	if t.subs == nil {
		t.subs = map[string]*table{}
	}
	if t.subs[key] == nil {
		t.subs[key] = t.sub(key)
	}
	return t.subs[key]
}

// named returns the tables below key, by name.
func (t *table) named(key string) []*table {
	all := t.sub(key)
	var named []*table
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		if one := all.sub(name); one.values != nil {
			named = append(named, one)
		}
	}
	return named
}

// name is the last part of the table's key.
func (t *table) name() string { return t.key[len(t.key)-1] }

// unknown reports the keys that nothing asked for.
func (t *table) unknown() {
	for key := range t.values {
		if !t.known[key] {
			t.below(key).fault("unknown key", suggest(key, slices.Sorted(maps.Keys(t.known))))
		}
	}
}

// suggest names the key that was meant, when it can be guessed.
func suggest(key string, known []string) string {
	if e, err := ipx.ParseFrameType(key); err == nil && slices.Contains(known, e.String()) {
		return "did you mean " + e.String() + "?"
	}
	best, at := "", len(key)/3+1
	for _, k := range known {
		if d := distance(key, k); d <= at && (best == "" || d < distance(key, best)) {
			best = k
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here are " + strings.Join(known, ", ")
}

// distance is how many letters must be put in, taken out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// read returns the value at key as parse understands it; when it is not there or
// wrong, fallback.
func read[T any](t *table, key string, fallback T, parse func(any) (T, *mistake)) T {
	v, ok := t.get(key)
	if !ok {
		return fallback
	}
	return checked(v, fallback, parse)
}

// readOwn is read for a key that cannot have a default.
func readOwn[T any](t *table, key string, fallback T, parse func(any) (T, *mistake)) T {
	v, ok := t.own(key)
	if !ok {
		return fallback
	}
	return checked(v, fallback, parse)
}

func checked[T any](v value, fallback T, parse func(any) (T, *mistake)) T {
	got, wrong := parse(v.raw)
	if wrong != nil {
		v.wrong(wrong)
		return fallback
	}
	return got
}

// readList returns the list at key. Elements that are wrong are reported, each,
// and left out.
func readList[T any](t *table, key string, parse func(any) (T, *mistake)) []T {
	v, ok := t.get(key)
	if !ok {
		return nil
	}
	return checkedList(v, parse)
}

// readOwnList is readList for a key that cannot have a default.
func readOwnList[T any](t *table, key string, parse func(any) (T, *mistake)) []T {
	v, ok := t.own(key)
	if !ok {
		return nil
	}
	return checkedList(v, parse)
}

// elements returns a list, or one value as a list of it.
func elements(v value) []any {
	if list, ok := v.raw.([]any); ok {
		return list
	}
	return []any{v.raw}
}

func checkedList[T any](v value, parse func(any) (T, *mistake)) []T {
	raw, ok := v.raw.([]any)
	if !ok {
		v.fault(show(v.raw)+" is not a list", "write it in square brackets")
		return nil
	}
	list := make([]T, 0, len(raw))
	for _, element := range raw {
		got, wrong := parse(element)
		if wrong != nil {
			v.wrong(wrong)
			continue
		}
		list = append(list, got)
	}
	return list
}
