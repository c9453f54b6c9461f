package hub

import (
	"reflect"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/display"
	"portillon/hub/enrol"
	"portillon/policy"
)

// The display gets no technical fault and no author of a tag, because strangers see its result.
func TestDisplayGetsOnlyWhatItShows(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	got := shownMachine(enrol.Machine{ID: "laser", Key: "k", Standing: enrol.Standing{Online: true, Seen: at,
		Phase:   "fault",
		Session: &enrol.Session{Member: "m-lea", Role: "user", Since: at, Until: at.Add(time.Hour)},
		Tags:    []enrol.Tag{{ID: "t-1", By: "m-ines", Reason: "worn belt", At: at}},
		Faults:  []string{"screen: 192.0.2.7"}}}, policy.Text{EN: "Laser"})
	want := display.Machine{ID: "laser", Name: policy.Text{EN: "Laser"}, Online: true, Stopped: true, Seen: at,
		Session: &display.Session{Member: "m-lea", Role: "user", Since: at, Until: at.Add(time.Hour)},
		Tags:    []display.Tag{{Reason: "worn belt", At: at}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWallScreensShowNamesInTheFormOfThePolicy(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	root := actor.Local("test")
	m, err := h.services.directory.Members.Add(t.Context(), root, directory.Member{Name: "Léa Martin"})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ form, want string }{{"", "Léa"}, {"panel: { names: letters }", "L. M."},
		{"panel: { names: full }", "Léa Martin"}} {
		text := "portillon: 1\nsite: biklab\nlanguage: fr\ntimezone: Europe/Paris\n" + c.form +
			"\nissuers: {}\nbadges: {}\nroles: [user]\nmachines: {}\n"
		if _, err := h.services.publish.Policies.Publish(t.Context(), root, text, "names", int64(i+1), nil); err != nil {
			t.Fatal(err)
		}
		got, err := h.services.shownNames(t.Context(), []policy.MemberID{m.ID, "m-nobody"})
		if err != nil || len(got) != 1 || got[m.ID] != c.want {
			t.Errorf("%q: %v %v, want %s", c.form, got, err, c.want)
		}
	}
}
