package panel

import (
	"reflect"
	"testing"
	"time"

	"portillon/policy"
)

// Two views that differ in any field, also of their Visitor, must not be equal. View.equal compares the fields one by
// one.
func TestViewsThatDifferInOneFieldAreNotEqual(t *testing.T) {
	full := func() View {
		return View{
			Offers:  []Offer{{Do: Extend}},
			Visitor: &Visitor{Items: []Choice{{ID: "a"}}},
		}
	}
	if !full().equal(full()) || !(View{}).equal(View{}) {
		t.Error("views with the same content are not equal")
	}
	if v := full(); v.equal(View{Offers: v.Offers}) || (View{Offers: v.Offers}).equal(v) {
		t.Error("a view with a visitor equals one without")
	}
	changeEach := func(of func(v *View) reflect.Value) {
		v := full()
		for i := range of(&v).NumField() {
			changed := full()
			field := of(&changed).Field(i)
			if field.Kind() == reflect.Pointer {
				continue // the fields of Visitor are checked below
			}
			field.Set(otherValue(t, field))
			if changed.equal(full()) || full().equal(changed) {
				t.Errorf("a change of %s is not seen", of(&changed).Type().Field(i).Name)
			}
		}
	}
	changeEach(func(v *View) reflect.Value { return reflect.ValueOf(v).Elem() })
	changeEach(func(v *View) reflect.Value { return reflect.ValueOf(v.Visitor).Elem() })
}

// otherValue returns a value of the field's type that differs from the value in the test's view.
func otherValue(t *testing.T, field reflect.Value) reflect.Value {
	t.Helper()
	switch field.Interface().(type) {
	case time.Time:
		return reflect.ValueOf(time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC))
	case policy.Text:
		return reflect.ValueOf(policy.Text{FR: "x", EN: "y"})
	}
	out := reflect.New(field.Type()).Elem()
	switch field.Kind() {
	case reflect.String:
		out.SetString("other")
	case reflect.Bool:
		out.SetBool(true)
	case reflect.Uint64:
		out.SetUint(7)
	case reflect.Slice: // an empty slice differs: the test's view has one entry
	default:
		t.Fatalf("a field of type %s needs another value here", field.Type())
	}
	return out
}
