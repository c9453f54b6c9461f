package api

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/policy"
)

// fakes implements the services of a small site, with data in memory. Each method checks a.May like the real service,
// and returns values with all fields set, so that the API description must include every field.
type fakes struct {
	mu      sync.Mutex
	members map[policy.MemberID]directory.Member
	order   []policy.MemberID
	tokens  map[string]actor.Actor
	got     []string // the calls that the fake services received
	wait    time.Duration
	broken  error
	csv     error // error that a CSV report returns after its first line; nil: none
}

var day0 = time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)

func newFakes() *fakes {
	f := &fakes{members: map[policy.MemberID]directory.Member{}, tokens: map[string]actor.Actor{}}
	for i, name := range []string{"Admin", "Inès", "Karim", "Léa"} {
		m := filled[directory.Member]()
		m.ID, m.Name, m.Version, m.Until = policy.MemberID("m-"+[]string{"admin", "ines", "karim",
			"lea"}[i]), name, 7, policy.Date{Year: 2027, Month: 9, Day: 30}
		m.Cards[0].State, m.Badges[0].Verdict = directory.Active, "valid"
		f.members[m.ID] = m
		f.order = append(f.order, m.ID)
	}
	lea := actor.Actor{Account: "a-lea", Name: "lea", Member: "m-lea", Site: actor.Member}
	mentor := actor.Actor{Account: "a-mentor", Name: "ines", Member: "m-ines", Site: actor.Member,
		Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}
	maintainer := actor.Actor{Account: "a-maintainer", Name: "karim", Member: "m-karim", Site: actor.Member,
		Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}}
	f.tokens = map[string]actor.Actor{"member": lea, "mentor": mentor, "maintainer": maintainer,
		"administrator": {Account: "a-admin", Name: "admin", Member: "m-admin", Site: actor.Administrator},
		"owner":         {Account: "a-owner", Name: "owner", Site: actor.Owner},
	}
	return f
}

func (f *fakes) note(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, fmt.Sprintf(format, a...))
}

func (f *fakes) asked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.got, "\n")
}

// filled returns a value of type T with every field set.
func filled[T any]() (out T) {
	fillValue(reflect.ValueOf(&out).Elem(), "x")
	return out
}

func fillValue(v reflect.Value, name string) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(day0))
	case v.Type() == reflect.TypeFor[policy.Date]():
		v.Set(reflect.ValueOf(policy.Date{Year: 2026, Month: 9, Day: 28}))
	case v.Type() == reflect.TypeFor[actor.Role]():
		v.SetString(string(actor.Mentor))
	case v.Type() == reflect.TypeFor[directory.CardState]():
		v.SetString(string(directory.Active))
	default:
		fillKind(v, name)
	}
}

func fillKind(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.ToLower(name))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillValue(v.Index(0), name)
	case reflect.Map:
		key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillValue(key, name)
		fillValue(val, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, val)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillValue(v.Field(i), v.Type().Field(i).Name)
			}
		}
	}
}

func at(m policy.MachineID) actor.Target { return actor.Target{Machine: m} }
func who(m policy.MemberID) actor.Target { return actor.Target{Member: m} }

func stale(what, id string, have, got int64) error {
	if have != got {
		return &fault.Conflict{What: what, ID: id, Have: have, Got: got}
	}
	return nil
}

// directoryFake implements Directory.
type directoryFake struct{ *fakes }

// all returns a Directory that uses the fake for every service.
func (f directoryFake) all() Directory {
	return Directory{Members: f, Cards: f, Taps: f, Badges: f, Imports: f, Sources: f, Exports: f, Erasures: f}
}

func (f directoryFake) List(_ context.Context, a actor.Actor, filter directory.Filter,
	p directory.Page) (out []directory.Member, next string, err error) {
	if err := a.May(actor.ReadMembers, actor.Target{}); err != nil {
		return nil, "", err
	}
	if f.broken != nil {
		return nil, "", f.broken
	}
	f.note("members %+v %+v", filter, p)
	for i, id := range f.order {
		if string(id) > p.After && (p.After == "" || i > f.index(p.After)) {
			out = append(out, f.members[id])
		}
		if len(out) == p.Limit && i < len(f.order)-1 {
			return out, string(id), nil
		}
	}
	return out, "", nil
}

func (f directoryFake) index(id string) int {
	for i, o := range f.order {
		if string(o) == id {
			return i
		}
	}
	return -1
}

func (f directoryFake) Get(_ context.Context, a actor.Actor, id policy.MemberID) (directory.Member, error) {
	if err := a.May(actor.ReadMembers, who(id)); err != nil {
		return directory.Member{}, err
	}
	return f.find(id)
}

func (f directoryFake) find(id policy.MemberID) (directory.Member, error) {
	m, ok := f.members[id]
	if !ok {
		return m, &fault.NotFound{What: "member", ID: string(id)}
	}
	return m, nil
}

func (f directoryFake) Own(_ context.Context, a actor.Actor) (directory.Member, error) {
	if err := a.May(actor.ReadOwn, who(a.Member)); err != nil {
		return directory.Member{}, err
	}
	return f.find(a.Member)
}

func (f directoryFake) Add(_ context.Context, a actor.Actor, m directory.Member) (directory.Member, error) {
	if err := a.May(actor.WriteMembers, actor.Target{}); err != nil {
		return m, err
	}
	if m.Name == "" {
		return m, &fault.Invalid{Faults: []fault.Field{{Field: "name", Wrong: "empty", Right: "a name"},
			{Row: 2, Field: "language", Given: "xx", Wrong: "unknown"}}}
	}
	if m.ID == "" {
		m.ID = "m-new"
	}
	m.Version = 1
	return m, nil
}

func (f directoryFake) Change(_ context.Context, a actor.Actor, id policy.MemberID, version int64,
	change func(*directory.Member) error) (directory.Member, error) {
	if err := a.May(actor.WriteMembers, who(id)); err != nil {
		return directory.Member{}, err
	}
	m, err := f.find(id)
	if err != nil {
		return m, err
	}
	if err := stale("member", string(id), m.Version, version); err != nil {
		return m, err
	}
	if err := change(&m); err != nil {
		return m, err
	}
	m.Version++
	return m, nil
}

func (f directoryFake) Merge(_ context.Context, a actor.Actor, keep, drop policy.MemberID) (directory.Member, error) {
	if err := a.May(actor.WriteMembers, who(keep)); err != nil {
		return directory.Member{}, err
	}
	f.note("merge %s %s", keep, drop)
	return f.find(keep)
}

func (f directoryFake) Erase(_ context.Context, a actor.Actor, id policy.MemberID, version int64) error {
	if err := a.May(actor.EraseMembers, who(id)); err != nil {
		return err
	}
	m, err := f.find(id)
	if err != nil {
		return err
	}
	return stale("member", string(id), m.Version, version)
}

func (f directoryFake) Endings(_ context.Context, a actor.Actor) ([]directory.Ending, error) {
	return []directory.Ending{filled[directory.Ending]()}, a.May(actor.ReadMembers, actor.Target{})
}

func (f directoryFake) AddCard(_ context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card,
	error) {
	if err := a.May(actor.WriteCards, who(id)); err != nil {
		return c, err
	}
	f.note("card %+v", c)
	return filled[directory.Card](), nil
}

func (f directoryFake) SetCard(_ context.Context, a actor.Actor, id policy.MemberID, card string,
	s directory.CardState, note string) error {
	f.note("card %s %s %s %s", id, card, s, note)
	return a.May(actor.WriteCards, who(id))
}

func (f directoryFake) Unknown(_ context.Context, a actor.Actor, _ directory.Page) ([]directory.Tap, string, error) {
	return []directory.Tap{filled[directory.Tap]()}, "", a.May(actor.ReadTaps, actor.Target{})
}

func (f directoryFake) Assign(_ context.Context, a actor.Actor, tap string, id policy.MemberID) (directory.Card,
	error) {
	f.note("assign %s %s", tap, id)
	return filled[directory.Card](), cmp.Or(a.May(actor.WriteCards, who(id)), a.May(actor.ReadTaps, actor.Target{}))
}

func (f directoryFake) RemoveCard(_ context.Context, a actor.Actor, id policy.MemberID, card string) error {
	return a.May(actor.WriteCards, who(id))
}

func (f directoryFake) BadgeData(_ context.Context, a actor.Actor, id policy.MemberID, badge string) (string, []byte,
	error) {
	if a.May(actor.ReadMembers, who(id)) != nil {
		if err := a.May(actor.ReadOwn, who(id)); err != nil {
			return "", nil, err
		}
	}
	return "../badges/Léa \"x\"\r\n.svg", []byte("<svg onload=x>"), nil
}

func (f directoryFake) Confirm(_ context.Context, a actor.Actor, preview string) (directory.Preview, error) {
	return filled[directory.Preview](), a.May(actor.WriteMembers, actor.Target{})
}

func (f directoryFake) Remap(_ context.Context, a actor.Actor, preview string,
	by directory.Mapping) (directory.Preview, error) {
	f.note("remap %s %v %v", preview, by.Columns, by.Until)
	return filled[directory.Preview](), a.May(actor.WriteMembers, actor.Target{})
}

func (f directoryFake) AddBadges(_ context.Context, a actor.Actor, id policy.MemberID, name string,
	data []byte) ([]directory.Badge, error) {
	f.note("badges %q %q %d %.10q", id, name, len(data), data)
	b := filled[directory.Badge]()
	b.Verdict = "valid"
	return []directory.Badge{b}, a.May(actor.WriteBadges, who(id))
}

func (f directoryFake) AddBadgeURL(_ context.Context, a actor.Actor, id policy.MemberID, url string) (directory.Badge,
	error) {
	f.note("badge %s %s", id, url)
	b := filled[directory.Badge]()
	b.Verdict = "valid"
	return b, a.May(actor.WriteBadges, who(id))
}

func (f directoryFake) RemoveBadge(_ context.Context, a actor.Actor, id policy.MemberID, badge string) error {
	f.note("remove %s %s", id, badge)
	return a.May(actor.WriteBadges, who(id))
}

func (f directoryFake) Preview(_ context.Context, a actor.Actor, in directory.Import) (directory.Preview, error) {
	f.note("import %q %q %v %s", in.Name, in.Data, in.Mapping, in.Source)
	return filled[directory.Preview](), cmp.Or(a.May(actor.WriteMembers, actor.Target{}),
		a.May(actor.ReadMembers, actor.Target{}))
}

func (f directoryFake) FetchedLists(_ context.Context, a actor.Actor) ([]directory.SourceState, error) {
	return []directory.SourceState{filled[directory.SourceState]()}, a.May(actor.WriteMembers, actor.Target{})
}

func (f directoryFake) FetchList(_ context.Context, a actor.Actor, name string) (directory.Preview, error) {
	f.note("fetch %q", name)
	return filled[directory.Preview](), cmp.Or(a.May(actor.WriteMembers, actor.Target{}),
		a.May(actor.ReadMembers, actor.Target{}))
}

func (f directoryFake) Apply(_ context.Context, a actor.Actor, preview string) (directory.Preview, error) {
	return filled[directory.Preview](), a.May(actor.WriteMembers, actor.Target{})
}

func (f directoryFake) Export(_ context.Context, a actor.Actor, format string, w io.Writer) error {
	if err := a.May(actor.ReadMembers, actor.Target{}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "id,name\r\n")
	return err
}
