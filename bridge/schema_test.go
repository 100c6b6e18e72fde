package bridge

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var update = flag.Bool("update", false, "write the documents that tests compare with the code")

const schemaPath = "../docs/status.schema.json"

// What `sitebridge status --json` prints is documented by a JSON Schema (2020-12), which
// is made from the types: `go test ./bridge -run Schema -update` writes it anew. Keys are
// only added: whoever takes one away breaks somebody's script.
func TestStatusSchema(t *testing.T) {
	s := schemas{defs: map[string]any{}, names: map[reflect.Type]string{}}
	top := s.of(reflect.TypeFor[Status]())
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "sitebridge status --json"
	top["$defs"] = s.defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	if err := enc.Encode(top); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaPath, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaPath)
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s is not what the types of Status say (%v): go test ./bridge -run Schema -update, and tell in docs/commands.md what is new", schemaPath, err)
	}
}

// What a daemon answers has the keys of the schema, and no other.
func TestStatusFitsItsSchema(t *testing.T) {
	b, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Status{joinedStatus(t), sampleStatus(), {Sites: []SiteStatus{{Name: "b", State: StateUp, Since: time.Now(), Tunnel: &Tunnel{}, IP: &IPStatus{}, IPX: &IPXStatus{}}}, LANs: []LANStatus{{}}}} {
		answer, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(answer, &v); err != nil {
			t.Fatal(err)
		}
		fits(t, schema["$defs"].(map[string]any), schema, v, "status")
	}
}

// joinedStatus is that of a daemon whose site is up.
func joinedStatus(t *testing.T) (s Status) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		s = a.Status()
	})
	return s
}

// fits reports where a value has another type or other keys than its schema says.
func fits(t *testing.T, defs, schema map[string]any, v any, at string) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	var is string
	switch v := v.(type) {
	case map[string]any:
		is = "object"
		properties, _ := schema["properties"].(map[string]any)
		for key, inner := range v {
			p, ok := properties[key].(map[string]any)
			if !ok {
				p, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				t.Errorf("%s.%s is not in the schema", at, key)
				continue
			}
			fits(t, defs, p, inner, at+"."+key)
		}
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				t.Errorf("%s lacks %s", at, key)
			}
		}
	case []any:
		is = "array"
		for _, inner := range v {
			fits(t, defs, schema["items"].(map[string]any), inner, at+"[]")
		}
	case string:
		is = "string"
	case float64:
		is = "integer"
	case bool:
		is = "boolean"
	case nil:
		is = "null"
	}
	types, ok := schema["type"].([]any)
	if !ok {
		types = []any{schema["type"]}
	}
	if !slices.Contains(types, any(is)) && !(is == "integer" && slices.Contains(types, any("number"))) {
		t.Errorf("%s is of type %s, and the schema says %v", at, is, types)
	}
}

// schemas makes schemas of types, as encoding/json writes them.
type schemas struct {
	defs  map[string]any
	names map[reflect.Type]string
}

type object = map[string]any

// of is the schema of a type: structs with a name stand in defs.
func (s schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.refer(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	}
	o := object{"type": "integer"}
	if k := t.Kind(); k >= reflect.Uint && k <= reflect.Uint64 {
		o["minimum"] = 0
	}
	return o
}

// refer puts a struct into defs, under a name of its own, and refers to it.
func (s schemas) refer(t reflect.Type) object {
	name, known := s.names[t]
	if !known {
		name = strings.ReplaceAll(strings.TrimPrefix(t.PkgPath(), "sitebridge/"), "/", ".") + "." + t.Name()
		if t.Name() == "" {
			return s.fields(t)
		}
		s.names[t] = name
		s.defs[name] = s.fields(t)
	}
	return object{"$ref": "#/$defs/" + name}
}

func (s schemas) fields(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || tag == "-" || f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct:
			continue
		case len(f.Index) > 1 && !promoted(t, f):
			continue
		case tag == "":
			tag = f.Name
		}
		properties[tag] = s.of(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, tag)
		}
	}
	slices.Sort(required)
	o := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// promoted reports whether a field of an embedded struct stands in the object itself: not
// when the struct has a key of its own.
func promoted(t reflect.Type, f reflect.StructField) bool {
	for i := 1; i < len(f.Index); i++ {
		outer := t.FieldByIndex(f.Index[:i])
		if tag, _, _ := strings.Cut(outer.Tag.Get("json"), ","); !outer.Anonymous || tag != "" {
			return false
		}
	}
	return true
}
