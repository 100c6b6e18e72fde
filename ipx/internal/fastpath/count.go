package fastpath

import (
	"reflect"
	"sync/atomic"
)

// Fill sets the fields of the struct that drops points to, all of type uint64,
// to the counters in their order. It panics when there are not as many.
func Fill(drops any, counters []atomic.Uint64) {
	fields := reflect.ValueOf(drops).Elem()
	if fields.NumField() != len(counters) {
		panic("fastpath: a counter without a field, or a field without a counter")
	}
	for i := range counters {
		fields.Field(i).SetUint(counters[i].Load())
	}
}

// Sum adds the fields of more to those of the struct that total points to, both
// of one type whose fields are uint64 or such structs.
func Sum[T any](total *T, more T) {
	sum(reflect.ValueOf(total).Elem(), reflect.ValueOf(more))
}

func sum(total, more reflect.Value) {
	for i := range total.NumField() {
		if field := total.Field(i); field.Kind() == reflect.Struct {
			sum(field, more.Field(i))
		} else {
			field.SetUint(field.Uint() + more.Field(i).Uint())
		}
	}
}
