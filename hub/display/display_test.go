package display_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"portillon/hub/actor"
	"portillon/hub/display"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

var root = actor.Local("root")

// noon is the time at which each test begins.
var noon = time.Date(2026, 11, 30, 12, 7, 31, 0, time.UTC)

// bench has the services of a site with three machines, and counts what the services ask.
type bench struct {
	*display.Services
	t        *testing.T
	site     *store.Site
	now      time.Time
	machines []display.Machine
	fail     error // error of reading the machines
	reads    int   // number of readings of the machines
	named    []policy.MemberID
	audited  []string
	wrong    map[string]int // number of wrong keys, by address
	limit    error          // error that a wrong key returns
	zone     *time.Location
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, site: storetest.Open(t).Site("biklab"), now: noon, wrong: map[string]int{},
		zone: time.FixedZone("Europe/Paris", 3600)}
	b.machines = []display.Machine{
		{ID: "fdm", Name: policy.Text{FR: "Imprimante", EN: "Printer"}, Online: true},
		{ID: "laser", Name: policy.Text{EN: "Laser"}, Online: true, Session: &display.Session{Member: "m-lea", Role: "user",
			Since: noon.Add(-50 * time.Minute), Until: noon.Add(time.Hour)}},
		{ID: "vinyl", Online: true, Tags: []display.Tag{{Reason: "worn belt", At: noon.AddDate(0, 0, -3)}}},
	}
	b.open()
	return b
}

// open opens the services again, as after a restart of the hub.
func (b *bench) open() {
	b.t.Helper()
	var err error
	b.Services, err = display.New(b.t.Context(), display.Options{
		Site: b.site, Now: func() time.Time { return b.now },
		Audit: func(_ context.Context, _ *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
			b.audited = append(b.audited, fmt.Sprintf("%s %s %s: %s", a.Name, act, on, detail))
			return nil
		},
		Machines: func(ctx context.Context) ([]display.Machine, error) {
			b.reads++
			return b.machines, errors.Join(b.fail, ctx.Err())
		},
		Names: func(_ context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
			b.named = of
			return map[policy.MemberID]string{"m-lea": "Léa"}, nil
		},
		Wrong: func(_ context.Context, address string) error { b.wrong[address]++; return b.limit },
		Title: func() string { return "BIK'LAB" },
		Zone:  func() *time.Location { return b.zone },
		URL:   func() string { return "https://hub.lab.example" },
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// set changes the settings.
func (b *bench) set(change func(*display.Values)) error {
	v, err := b.Settings.Get(b.t.Context(), root)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.Settings.Change(b.t.Context(), root, v.Version, func(v *display.Values) error { change(v); return nil })
	return err
}

func (b *bench) mustSet(change func(*display.Values)) {
	b.t.Helper()
	if err := b.set(change); err != nil {
		b.t.Fatal(err)
	}
}

// public switches the public status on, with the values that SpaceAPI requires.
func public(v *display.Values) {
	v.Public, v.Website, v.Logo = true, "https://lab.example/", "https://lab.example/logo.svg"
}

func isNotFound(err error) bool {
	var missing *fault.NotFound
	return errors.As(err, &missing)
}

func TestNothingIsPublicUntilAnAdministratorSwitchesItOn(t *testing.T) {
	b := newBench(t)
	ask := func() (error, error) {
		_, err := b.Board.Public(t.Context())
		_, err2 := b.Board.SpaceAPI(t.Context())
		return err, err2
	}
	if one, two := ask(); !isNotFound(one) || !isNotFound(two) || b.reads != 0 {
		t.Errorf("of a new site: %v, %v, %d readings of the machines, want none", one, two, b.reads)
	}
	b.mustSet(func(v *display.Values) { v.Public = true })
	if one, two := ask(); one != nil || !isNotFound(two) {
		t.Errorf("without website and logo: %v, %v, want only the status", one, two)
	}
	b.mustSet(public)
	b.open() // the settings are kept
	if one, two := ask(); one != nil || two != nil {
		t.Errorf("switched on: %v, %v", one, two)
	}
	b.mustSet(func(v *display.Values) { v.Public = false })
	if one, two := ask(); !isNotFound(one) || !isNotFound(two) {
		t.Errorf("switched off: %v, %v", one, two)
	}
	want := "root settings.write settings: public status on|root settings.write settings: changed website, logo|" +
		"root settings.write settings: public status off"
	if got := strings.Join(b.audited, "|"); got != want {
		t.Errorf("audit log: %s\nwant %s", got, want)
	}
}

func TestStateOfAMachineForStrangers(t *testing.T) {
	b := newBench(t)
	b.mustSet(public)
	at := noon.Add(-50 * time.Minute) // 11:17:31
	quarter := time.Date(2026, 11, 30, 11, 15, 0, 0, time.UTC)
	session, tags := &display.Session{Member: "m-lea", Since: at}, []display.Tag{{At: noon}, {At: at}}
	for name, c := range map[string]struct {
		m     display.Machine
		state display.State
		since time.Time
	}{
		"a machine that the hub never heard of": {display.Machine{}, display.Offline, time.Time{}},
		"free":                                  {display.Machine{Online: true, Seen: at}, display.Free, time.Time{}},
		"in use":                                {display.Machine{Online: true, Session: session}, display.InUse, quarter},
		"offline during a session":              {display.Machine{Session: session, Seen: at}, display.Offline, quarter},
		"two tags: since the first":             {display.Machine{Online: true, Tags: tags}, display.OutOfService, quarter},
		"tagged and offline":                    {display.Machine{Tags: tags, Seen: noon}, display.OutOfService, quarter},
		"tagged, with a maintainer": {display.Machine{Online: true, Tags: tags, Session: session}, display.OutOfService,
			quarter},
		"stopped": {display.Machine{Online: true, Stopped: true, Session: session}, display.OutOfService, time.Time{}},
	} {
		b.now, b.machines = b.now.Add(time.Hour), []display.Machine{c.m}
		p, err := b.Board.Public(t.Context())
		if err != nil || len(p.Machines) != 1 || p.Machines[0].State != c.state || !p.Machines[0].Since.Equal(c.since) {
			t.Errorf("%s: %+v %v, want %s since %v", name, p.Machines, err, c.state, c.since)
		}
	}
}

// Strangers can send any number of requests, and cause one reading of the machines per five seconds.
func TestStrangersCannotLoadTheDatabase(t *testing.T) {
	b := newBench(t)
	b.mustSet(public)
	ask := func(n int) {
		t.Helper()
		for range n {
			p, err := b.Board.Public(t.Context())
			if !errors.Is(err, b.fail) || p.At.IsZero() {
				t.Fatal(p, err)
			}
			if _, err := b.Board.SpaceAPI(t.Context()); !errors.Is(err, b.fail) {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		after time.Duration
		fail  error
		want  int
	}{
		{0, nil, 1}, {4999 * time.Millisecond, nil, 1}, {time.Millisecond, nil, 2}, {time.Hour, nil, 3},
		{-time.Hour, nil, 4}, // the clock was set back
		{time.Minute, errors.New("the disk is full"), 5},
	} {
		b.now = b.now.Add(c.after)
		b.fail = c.fail
		ask(50)
		if b.reads != c.want {
			t.Errorf("%v later: %d readings, want %d", c.after, b.reads, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.now, b.fail = b.now.Add(time.Minute), nil
	if _, err := b.Board.Public(ctx); err != nil {
		t.Errorf("a request that was cancelled spoils the answer of the next ones: %v", err)
	}
}

// The file testdata/spaceapi-15.json has the rules of https://schema.spaceapi.io/15.json for the fields that the hub
// writes.
func TestSpaceAPIDocumentSatisfiesTheSchema(t *testing.T) {
	f, err := os.Open("testdata/spaceapi-15.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	schema, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("15.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("15.json")
	if err != nil {
		t.Fatal(err)
	}
	if compiled.Validate(map[string]any{"api_compatibility": []any{"14"}}) == nil {
		t.Fatal("the schema accepts a document of another version")
	}
	b := newBench(t)
	for name, change := range map[string]func(*display.Values){
		"least": public,
		"whole": func(v *display.Values) {
			public(v)
			v.Email, v.Address, v.Position = "hello@lab.example", "1 rue du Lab, 35000 Rennes, France", " 48.1173 , -1.6778"
		},
		"hostile": func(v *display.Values) {
			public(v)
			v.Address = `</script>"\{{.}}` + "é<!--"
			b.machines[0].Name = policy.Text{FR: "\xff\"</script>\x00"}
			b.machines = b.machines[:1]
		},
	} {
		b.now = b.now.Add(time.Hour)
		b.mustSet(change)
		text, err := b.Board.SpaceAPI(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = compiled.Validate(got)
		}
		if err != nil || bytes.Contains(text, []byte("</script>")) || bytes.Contains(text, []byte("m-lea")) ||
			bytes.Contains(text, []byte("Léa")) {
			t.Errorf("%s: %v: %s", name, err, text)
		}
		b.mustSet(func(v *display.Values) { *v = display.Values{Version: v.Version} })
	}
}

func TestSpaceAPIDocumentContainsOnlyWhatIsKnown(t *testing.T) {
	b := newBench(t)
	b.mustSet(public)
	var got map[string]any
	document := func() string {
		text, err := b.Board.SpaceAPI(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := `{"api_compatibility":["15"],"space":"BIK'LAB","logo":"https://lab.example/logo.svg",` +
		`"url":"https://lab.example/","location":{"timezone":"Europe/Paris"},"contact":{},` +
		`"links":[{"name":"Machines","url":"https://hub.lab.example/status"}],"ext_machines":[` +
		`{"id":"fdm","name":{"en":"Printer","fr":"Imprimante"},"state":"free"},` +
		`{"id":"laser","name":{"en":"Laser"},"state":"in-use","since":1796037300},` +
		`{"id":"vinyl","state":"out-of-service","since":1795780800}]}`
	if text := document(); strings.ReplaceAll(text, `\u0027`, "'") != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if _, open := got["state"]; open {
		t.Error("the document says whether the site is open, which the hub does not know")
	}
	b.mustSet(func(v *display.Values) { v.Position, v.Email, v.Address = "-90,180", "a@b.example", "1 rue du Lab" })
	if text := document(); !strings.Contains(text, `"lat":-90,"lon":180`) ||
		!strings.Contains(text, `"email":"a@b.example"`) {
		t.Error(text)
	}
	// A site without a policy has no time zone.
	b.zone = nil
	b.mustSet(func(v *display.Values) { v.Position, v.Address = "", "" })
	if text := document(); strings.Contains(text, "location") {
		t.Error(text)
	}
}

func TestSettingsAreCheckedAndVersioned(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("a", 301)
	for field, values := range map[string][]string{
		"website": {"lab.example", "ftp://lab.example", "https://", "https://u:p@lab.example", "javascript:alert(1)",
			"https://lab.example/a b", "https://lab.example/\n", "https://lab.example/" + long, "https://\u202elab"},
		"logo":     {"logo.svg", "data:image/svg+xml,x", "//lab.example/x"},
		"email":    {"nobody", "Lab <a@b.example>", "a@b.example, c@d.example", "a@b\r\nBcc: x", long + "@b.example"},
		"address":  {"1 rue\ndu Lab", long, "a\u202eb", "\xff"},
		"position": {"48.1", "48.1 -1.6", "91, 0", "0, 181", "NaN, 0", "0x1p3, 0", "1e1, 0", ", ", "1,2,3", "Inf, 0"},
	} {
		for _, given := range values {
			err := b.set(func(v *display.Values) {
				*map[string]*string{"website": &v.Website, "logo": &v.Logo, "email": &v.Email, "address": &v.Address,
					"position": &v.Position}[field] = given
			})
			var invalid *fault.Invalid
			if !errors.As(err, &invalid) || len(invalid.Faults) != 1 || invalid.Faults[0].Field != field ||
				len(invalid.Faults[0].Given) > 200 {
				t.Errorf("%s %.60q: %v, want one fault of this field", field, given, err)
			}
		}
	}
	if _, err := b.Settings.Change(t.Context(), root, 0, func(*display.Values) error { return nil }); err == nil {
		t.Error("a change without a version is accepted")
	}
	b.mustSet(public)
	var conflict *fault.Conflict
	_, err := b.Settings.Change(t.Context(), root, 1, func(*display.Values) error { return nil })
	if !errors.As(err, &conflict) || conflict.Have != 2 {
		t.Errorf("a change of an old version: %v", err)
	}
}

func TestWallScreenOpensWithItsKeyUntilTheKeyIsRevoked(t *testing.T) {
	b := newBench(t)
	made, err := b.Screens.Add(t.Context(), root, " wood workshop ")
	if err != nil || made.Name != "wood workshop" {
		t.Fatal(made, err)
	}
	key, ok := strings.CutPrefix(made.Link, "https://hub.lab.example/wall?key=")
	if !ok || len(key) != 26 {
		t.Fatalf("link %q", made.Link)
	}
	w, err := b.Board.Wall(t.Context(), key, "192.0.2.1")
	if err != nil || len(w.Machines) != 3 || w.Machines[1].Who != "Léa" ||
		w.Machines[1].Since != noon.Add(-50*time.Minute) || w.Machines[2].Reasons[0] != "worn belt" ||
		w.Machines[0].Used || len(b.named) != 1 {
		t.Errorf("%+v %v, names of %v", w, err, b.named)
	}
	for _, x := range []string{"", "x", key + "x", strings.ToLower(key), key[:25], strings.Repeat("A", 26), made.ID} {
		if _, err := b.Board.Wall(t.Context(), x, "192.0.2.2"); !isNotFound(err) {
			t.Errorf("key %q: %v, want not found", x, err)
		}
	}
	if b.wrong["192.0.2.1"] != 0 || b.wrong["192.0.2.2"] != 2 {
		t.Errorf("wrong keys: %v, want 2 of 192.0.2.2", b.wrong)
	}
	b.limit = errors.New("too many attempts")
	if _, err := b.Board.Wall(t.Context(), strings.Repeat("A", 26), "192.0.2.2"); !errors.Is(err, b.limit) {
		t.Errorf("after too many wrong keys: %v", err)
	}
	if _, err := b.Board.Wall(t.Context(), key, "192.0.2.2"); err != nil {
		t.Errorf("a valid key is limited: %v", err)
	}
	list, err := b.Screens.List(t.Context(), root)
	if err != nil || len(list) != 1 || list[0].Link != "" || !list[0].Used.Equal(noon.Truncate(time.Millisecond)) {
		t.Errorf("%+v %v", list, err)
	}
	if err := b.Screens.Revoke(t.Context(), root, "w-other"); !isNotFound(err) {
		t.Error(err)
	}
	if err := b.Screens.Revoke(t.Context(), root, made.ID); err != nil {
		t.Fatal(err)
	}
	b.limit = nil
	if _, err := b.Board.Wall(t.Context(), key, "192.0.2.1"); !isNotFound(err) {
		t.Errorf("with a revoked key: %v", err)
	}
	if got := strings.Join(b.audited, "|"); got != "root settings.write wall screen "+made.ID+": added|"+
		"root settings.write wall screen "+made.ID+": revoked" || strings.Contains(got, key) {
		t.Errorf("audit log: %s", got)
	}
}

func TestKeysOfScreensAreStoredAsHashes(t *testing.T) {
	b := newBench(t)
	made, err := b.Screens.Add(t.Context(), root, "desk")
	if err != nil {
		t.Fatal(err)
	}
	key := made.Link[len(made.Link)-26:]
	var hash []byte
	if err := b.site.QueryRow(t.Context(), `SELECT hash FROM display_screen WHERE site = $1`).Scan(&hash); err != nil ||
		len(hash) != 32 || bytes.Contains(hash, []byte(key)) {
		t.Errorf("%x %v", hash, err)
	}
}

func TestSiteHasAtMostTwentyScreensWithNames(t *testing.T) {
	b := newBench(t)
	var invalid *fault.Invalid
	for _, name := range []string{"", "  ", "a\nb", "a\u202eb", strings.Repeat("a", 61)} {
		if _, err := b.Screens.Add(t.Context(), root, name); !errors.As(err, &invalid) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for i := range 20 {
		if _, err := b.Screens.Add(t.Context(), root, fmt.Sprint("screen ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Screens.Add(t.Context(), root, "one more"); !errors.As(err, &invalid) {
		t.Errorf("a screen beyond 20: %v", err)
	}
}

func TestOnlyAdministratorsChooseWhatIsShown(t *testing.T) {
	b := newBench(t)
	for _, a := range []actor.Actor{{}, {Account: "x", Site: actor.Member},
		{Account: "x", Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}},
		{Account: "x", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMachines}}} {
		_, get := b.Settings.Get(t.Context(), a)
		_, change := b.Settings.Change(t.Context(), a, 1, func(*display.Values) error { return nil })
		_, list := b.Screens.List(t.Context(), a)
		_, add := b.Screens.Add(t.Context(), a, "x")
		for name, err := range map[string]error{"get": get, "change": change, "list": list, "add": add,
			"revoke": b.Screens.Revoke(t.Context(), a, "w-x")} {
			var denied *actor.Denied
			if !errors.As(err, &denied) {
				t.Errorf("%s as %+v: %v, want a denial", name, a, err)
			}
		}
	}
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"48.1173, -1.6778", "-90,180", "1,2,3", "NaN,0", "--1,2", "1.1.1,0", ",", "9e9,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lat, lon, err := display.ParsePosition(s)
		if err == nil && !(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) {
			t.Errorf("%q: %v, %v", s, lat, lon)
		}
	})
}
