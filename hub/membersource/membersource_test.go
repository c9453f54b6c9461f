package membersource_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/hub/memberlist"
	"portillon/hub/membersource"
	"portillon/hub/membersource/membersourcetest"
)

// programs are the configurations of the three programs, without URL and secret.
var programs = map[memberlist.Program]membersource.Config{
	memberlist.HelloAsso: {Kind: memberlist.HelloAsso, Organization: "fablab", Form: "adhesion",
		ClientID: membersourcetest.ClientID},
	memberlist.FabManager:    {Kind: memberlist.FabManager},
	memberlist.MemberMatters: {Kind: memberlist.MemberMatters, Cards: "dec"},
}

// pauses are the waits of a source, recorded instead of waited.
type pauses []time.Duration

func (p *pauses) wait(ctx context.Context, d time.Duration) error {
	*p = append(*p, d)
	return ctx.Err()
}

// sourceOf returns the source of a program at the server, and its waits.
func sourceOf(t *testing.T, kind memberlist.Program, url string,
	changes ...func(*membersource.Config, *membersource.Options)) (*membersource.Source, *pauses) {
	t.Helper()
	c, waits := programs[kind], &pauses{}
	c.URL, c.SecretFile = url, filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(c.SecretFile, []byte(membersourcetest.Secret+"\nnot read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := membersource.Options{Wait: waits.wait, Now: func() time.Time { return time.Unix(1_790_000_000, 0) }}
	for _, f := range changes {
		f(&c, &o)
	}
	s, err := membersource.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, waits
}

// people returns members of the numbers 1 to n.
func people(n int) (out []membersourcetest.Person) {
	for i := range n {
		out = append(out, membersourcetest.Person{ID: int64(i + 1), First: fmt.Sprintf("F%d", i+1), Last: "Tanguy",
			Email: fmt.Sprintf("f%d@example.org", i+1), Until: "2027-09-30T23:59:59.000+02:00", Card: fmt.Sprint(1000 + i)})
	}
	return out
}

// cellsOf returns the rows of a table without their numbers.
func cellsOf(t memberlist.Table) (out []string) {
	for _, r := range t.Rows {
		out = append(out, strings.Join(r.Cells, "|"))
	}
	return out
}

func TestListsHaveTheColumnsOfTheProgramsOwnExport(t *testing.T) {
	parent := &membersourcetest.Person{First: "Rosa", Last: "Marec", Email: "rosa@example.org"}
	given := []membersourcetest.Person{
		{ID: 1, First: "Léa", Last: "Morvan", Email: "lea@example.org", Until: "2027-09-30T23:59:59.000+02:00",
			Trainings: []string{"Laser", "Fraiseuse", "Laser"}, Card: "12345678",
			Answers: map[string]string{"Email": "lea@elsewhere.example", "Nom": "x"}},
		{ID: 2, First: "Tom", Last: "Marec", Payer: parent, State: "Registered", Card: 99, Type: "Membership",
			Until: "2027-09-30T00:30:00.000+02:00", Canceled: "2026-11-02T09:00:00.000+01:00"},
		{ID: 3, First: "Yann", Last: "Roux", Email: "yann@example.org", State: "Canceled"},
		{ID: 4, First: "Don", Last: "Ateur", Type: "Donation"},
	}
	for kind, want := range map[memberlist.Program][]string{
		memberlist.HelloAsso: {
			"1001|01/09/2026 08:00:00|Validé|Morvan|Léa|Morvan|Léa|lea@example.org|Adhésion",
			"1002|01/09/2026 08:00:00|Validé|Marec|Tom|Marec|Rosa|rosa@example.org|Adhésion",
			"1003|01/09/2026 08:00:00|Annulé|Roux|Yann|Roux|Yann|yann@example.org|Adhésion"},
		memberlist.FabManager: {
			"1|Morvan|Léa|lea@example.org|2027-09-30|Fraiseuse\nLaser",
			"2|Marec|Tom||2026-11-02|", "3|Roux|Yann|yann@example.org||", "4|Ateur|Don|||"},
		memberlist.MemberMatters: {
			"1|Léa|Morvan|lea@example.org|active|2026-03-04|dec:12345678",
			"2|Tom|Marec||Registered|2026-03-04|dec:99", "3|Yann|Roux|yann@example.org|Canceled|2026-03-04|",
			"4|Don|Ateur||active|2026-03-04|"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			server := membersourcetest.New(t, given...)
			s, _ := sourceOf(t, kind, server.URL)
			table, err := s.Fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := cellsOf(table)
			for i := range got { // questions of the form follow the columns of the order
				got[i] = strings.Join(strings.Split(got[i], "|")[:strings.Count(want[min(i, len(want)-1)], "|")+1], "|")
			}
			if !reflect.DeepEqual(got, want) || table.Program != kind || table.Rows[1].Number != 2 {
				t.Errorf("%s\n%q\nwant\n%q", table.Program, got, want)
			}
			if list := memberlist.Recognise(table, func(string) string { return "" }); list.Program != kind {
				t.Errorf("recognised as %q", list.Program)
			}
		})
	}
}

// A member's own address is in a custom field; a question that is named like a column of the order replaces nothing.
func TestQuestionsOfAFormBecomeColumns(t *testing.T) {
	p := people(2)
	p[1].Answers = map[string]string{"Email": "own@example.org", "Email payeur": "evil@example.org"}
	server := membersourcetest.New(t, p...)
	s, _ := sourceOf(t, memberlist.HelloAsso, server.URL)
	table, err := s.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := len(table.Header) - 1; table.Header[last] != "Email" || table.Rows[1].Cells[last] != "own@example.org" ||
		table.Rows[1].Cells[7] != "f2@example.org" {
		t.Errorf("%q\n%q", table.Header, table.Rows[1].Cells)
	}
}

// deed returns a change of the server with one misdeed at one request for a list.
func deed(at int, d membersourcetest.Misdeed) func(*membersourcetest.State) {
	return func(s *membersourcetest.State) { s.Script = map[int]membersourcetest.Misdeed{at: d} }
}

// always returns a change of the server with one misdeed at each request for a list.
func always(d membersourcetest.Misdeed) func(*membersourcetest.State) {
	return func(s *membersourcetest.State) { s.Always = d }
}

func TestListIsCompleteAfterFaultsThatPass(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*membersourcetest.State)
		waits []time.Duration // least wait before each further attempt
	}{
		"error of the server": {deed(2, membersourcetest.Fail), []time.Duration{time.Second}},
		"break-off":           {deed(2, membersourcetest.BreakOff), []time.Duration{time.Second}},
		"redirect to itself":  {deed(2, membersourcetest.RedirectHome), nil},
		"throttled, with seconds": {func(s *membersourcetest.State) {
			deed(2, membersourcetest.Throttle)(s)
			s.RetryAfter = "37"
		}, []time.Duration{37 * time.Second}},
		"unavailable, with a date": {func(s *membersourcetest.State) {
			deed(2, membersourcetest.Unavailable)(s)
			s.RetryAfter = time.Unix(1_790_000_050, 0).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		}, []time.Duration{50 * time.Second}},
		"throttled three times": {func(s *membersourcetest.State) {
			s.Script = map[int]membersourcetest.Misdeed{2: membersourcetest.Throttle, 3: membersourcetest.Throttle,
				4: membersourcetest.Throttle}
		}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
	} {
		for _, kind := range []memberlist.Program{memberlist.HelloAsso, memberlist.FabManager} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				server := membersourcetest.New(t, people(7)...)
				server.Set(func(s *membersourcetest.State) { s.PageSize = 3; c.set(s) })
				s, waits := sourceOf(t, kind, server.URL)
				table, err := s.Fetch(t.Context())
				if err != nil || len(table.Rows) != 7 {
					t.Fatalf("%d rows, %v", len(table.Rows), err)
				}
				if len(*waits) != len(c.waits) {
					t.Fatalf("waits %v, want %v", *waits, c.waits)
				}
				for i, w := range *waits {
					if w < c.waits[i] || w > c.waits[i]*5/4 {
						t.Errorf("waits %v, want %v", *waits, c.waits)
					}
				}
			})
		}
	}
}

func TestPartialListIsNeverReturned(t *testing.T) {
	both := []memberlist.Program{memberlist.HelloAsso, memberlist.FabManager}
	hello, fab := both[:1], both[1:]
	every := append(both[:2:2], memberlist.MemberMatters)
	for name, c := range map[string]struct {
		kinds []memberlist.Program
		set   func(*membersourcetest.State)
		want  string
	}{
		"credentials refused":  {every, always(membersourcetest.Unauthorized), "refuses the credentials"},
		"page with status 200": {every, always(membersourcetest.Page), "not with JSON"},
		"garbage":              {every, always(membersourcetest.Garbage), "not the JSON"},
		"other JSON":           {every, always(membersourcetest.OtherJSON), "not the JSON"},
		"null":                 {both, always(membersourcetest.Null), "not the JSON"},
		"null instead of a list": {[]memberlist.Program{memberlist.MemberMatters}, always(membersourcetest.Null),
			"an empty list"},
		"too long":            {every, always(membersourcetest.Endless), "longer than 16 MiB"},
		"not found":           {every, always(membersourcetest.Missing), "status 404"},
		"fails each time":     {every, always(membersourcetest.Fail), "error of its own (status 500)"},
		"redirects for ever":  {every, always(membersourcetest.RedirectHome), "redirects"},
		"empty":               {every, func(s *membersourcetest.State) { s.People = nil }, "an empty list"},
		"fails half-way":      {both, fromSecond(membersourcetest.Fail), "error of its own"},
		"breaks off half-way": {both, fromSecond(membersourcetest.BreakOff), "broke off"},
		"page half-way":       {both, fromSecond(membersourcetest.Page), "not with JSON"},
		"throttles for an hour": {both, func(s *membersourcetest.State) {
			fromSecond(membersourcetest.Throttle)(s)
			s.RetryAfter = "3600"
		}, "asks to wait 3600 seconds"},
		"repeats a token":    {hello, func(s *membersourcetest.State) { s.RepeatToken = true }, "next page begins"},
		"leaves a token out": {hello, func(s *membersourcetest.State) { s.NoToken = true }, "next page begins"},
		"ends too early": {hello, func(s *membersourcetest.State) {
			s.Before = func(s *membersourcetest.State, n int) {
				if n == 2 {
					s.Total = func(int) int { return -1 }
					s.People = s.People[:3]
				}
			}
		}, "announces 7 entries and sent 3"},
		"announces more": {both, func(s *membersourcetest.State) { s.Total = func(n int) int { return n + 2 } },
			"announces 9 entries and sent 7"},
		"announces fewer": {fab, func(s *membersourcetest.State) { s.Total = func(n int) int { return min(n, 5) } },
			"announces 5 entries and sent 6"},
		"announces nothing": {fab, func(s *membersourcetest.State) { s.Total = func(int) int { return -1 } }, "not the JSON"},
		"announces too many": {fab, func(s *membersourcetest.State) { s.Total = func(int) int { return 50_001 } },
			"more than 50000 entries"},
		"changes at each page": {fab, func(s *membersourcetest.State) {
			s.Before = func(s *membersourcetest.State, n int) { s.People = append(s.People, people(n + 20)[n+19]) }
		}, "changed while the hub read it"},
		"replaces an entry at each page": {fab, func(s *membersourcetest.State) {
			s.Before = func(s *membersourcetest.State, n int) { s.People = append(s.People[1:], people(n + 20)[n+19]) }
		}, "changed while the hub read it"},
	} {
		for _, kind := range c.kinds {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				server := membersourcetest.New(t, people(7)...)
				server.Set(func(s *membersourcetest.State) { s.PageSize = 3; c.set(s) })
				s, _ := sourceOf(t, kind, server.URL)
				table, err := s.Fetch(t.Context())
				var failed *membersource.Failure
				if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v, want %q", err, c.want)
				}
				if len(table.Rows) != 0 || strings.Contains(err.Error(), "Morvan") ||
					strings.Contains(err.Error(), membersourcetest.Secret) {
					t.Errorf("%d rows, %v", len(table.Rows), err)
				}
			})
		}
	}
}

// fromSecond returns a change of the server with a misdeed at each request for a list but the first.
func fromSecond(d membersourcetest.Misdeed) func(*membersourcetest.State) {
	return func(s *membersourcetest.State) {
		s.Before = func(s *membersourcetest.State, n int) {
			if n > 1 {
				s.Always = d
			}
		}
	}
}

// Fab-manager shows the newest entry first, so that a new account moves the others to later pages.
func TestListThatChangedOnceIsReadAgain(t *testing.T) {
	for name, change := range map[string]func(*membersourcetest.State){
		"an account is added":   func(s *membersourcetest.State) { s.People = append(s.People, people(8)[7]) },
		"an account is removed": func(s *membersourcetest.State) { s.People = s.People[:6] },
		"an account is replaced": func(s *membersourcetest.State) {
			s.People = append(s.People[:3:3], append(s.People[4:], people(8)[7])...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := membersourcetest.New(t, people(7)...)
			server.Set(func(s *membersourcetest.State) {
				s.PageSize = 3
				s.Before = func(s *membersourcetest.State, n int) {
					if n == 2 {
						change(s)
					}
				}
			})
			s, _ := sourceOf(t, memberlist.FabManager, server.URL)
			table, err := s.Fetch(t.Context())
			want := 0
			server.Set(func(s *membersourcetest.State) { want = len(s.People) })
			if err != nil || len(table.Rows) != want {
				t.Fatalf("%d rows, want %d, %v", len(table.Rows), want, err)
			}
		})
	}
}

func TestExpiredTokenIsRenewedDuringPaging(t *testing.T) {
	for name, c := range map[string]struct {
		noRefresh bool
		tokens    int // requests for a token
	}{"with the refresh token": {false, 4}, "refresh token refused": {true, 7}} {
		t.Run(name, func(t *testing.T) {
			server := membersourcetest.New(t, people(7)...)
			server.Set(func(s *membersourcetest.State) { s.PageSize, s.TokenUses, s.NoRefresh = 1, 2, c.noRefresh })
			s, _ := sourceOf(t, memberlist.HelloAsso, server.URL)
			table, err := s.Fetch(t.Context())
			if err != nil || len(table.Rows) != 7 {
				t.Fatalf("%d rows, %v", len(table.Rows), err)
			}
			n := 0
			for _, r := range server.Requests() {
				if r == "POST /oauth2/token" {
					n++
				}
			}
			if n != c.tokens {
				t.Errorf("%d requests for a token, want %d", n, c.tokens)
			}
		})
	}
	t.Run("token that is good for nothing", func(t *testing.T) {
		server := membersourcetest.New(t, people(3)...)
		server.Set(func(s *membersourcetest.State) { s.Always = membersourcetest.Unauthorized })
		s, _ := sourceOf(t, memberlist.HelloAsso, server.URL)
		if _, err := s.Fetch(t.Context()); err == nil || len(server.Requests()) > 6 {
			t.Errorf("%v after %q", err, server.Requests())
		}
	})
}

func TestSilentProgramEndsTheFetch(t *testing.T) {
	server := membersourcetest.New(t, people(3)...)
	server.Set(func(s *membersourcetest.State) { s.Always = membersourcetest.Hang })
	s, waits := sourceOf(t, memberlist.MemberMatters, server.URL, func(_ *membersource.Config, o *membersource.Options) {
		o.Timeout = 10 * time.Millisecond
	})
	if _, err := s.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Error(err)
	}
	if len(*waits) != 4 {
		t.Errorf("waits %v", *waits)
	}
	// The end of the context ends the fetch before the timeout of the request.
	s, _ = sourceOf(t, memberlist.MemberMatters, server.URL)
	ctx, cancel := context.WithCancel(t.Context())
	server.Set(func(s *membersourcetest.State) { s.Before = func(*membersourcetest.State, int) { cancel() } })
	if _, err := s.Fetch(ctx); err == nil || !strings.Contains(err.Error(), "in the time that a run may take") {
		t.Error(err)
	}
}

func TestSecretIsSentToTheConfiguredHostOnly(t *testing.T) {
	for kind := range programs {
		home, other := membersourcetest.New(t, people(3)...), membersourcetest.New(t, people(3)...)
		home.Set(func(s *membersourcetest.State) { s.Always, s.Elsewhere = membersourcetest.RedirectAway, other.URL })
		s, _ := sourceOf(t, kind, home.URL)
		if _, err := s.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "another host") {
			t.Error(kind, err)
		}
		if len(other.Requests()) != 0 {
			t.Errorf("%s: the other host got %q", kind, other.Requests())
		}
	}
}

func TestSecretFileMustHaveAUsableLine(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "blank": " \nsecret", "control": "a\x01b", "accent": "é",
		"long": strings.Repeat("x", 5000)} {
		s, _ := sourceOf(t, memberlist.MemberMatters, "http://127.0.0.1:1",
			func(c *membersource.Config, _ *membersource.Options) {
				if err := os.WriteFile(c.SecretFile, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			})
		if _, err := s.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "no usable first line") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, _ := sourceOf(t, memberlist.MemberMatters, "http://127.0.0.1:1",
		func(c *membersource.Config, _ *membersource.Options) { c.SecretFile += ".missing" })
	if _, err := s.Fetch(t.Context()); err == nil || err.Error() != "the file with the secret cannot be read" {
		t.Error(err)
	}
}

func TestConfigurationsThatCannotBeSafeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*membersource.Config)
		want   string
	}{
		"plain HTTP":       {func(c *membersource.Config) { c.URL = "http://members.example" }, "in the clear"},
		"plain HTTP, LAN":  {func(c *membersource.Config) { c.URL, c.Private = "http://10.0.0.4", true }, "in the clear"},
		"no URL":           {func(c *membersource.Config) { c.URL = "" }, "url is needed"},
		"a path alone":     {func(c *membersource.Config) { c.URL = "/members" }, "no address"},
		"a password in it": {func(c *membersource.Config) { c.URL = "https://a:b@members.example" }, "no address"},
		"another protocol": {func(c *membersource.Config) { c.URL = "file:///etc/passwd" }, "no address"},
		"a query":          {func(c *membersource.Config) { c.URL = "https://members.example/?a=b" }, "no address"},
		"no secret":        {func(c *membersource.Config) { c.SecretFile = "" }, "secret-file"},
		"cards in octal":   {func(c *membersource.Config) { c.Cards = "oct" }, "want dec or hex"},
		"unknown program":  {func(c *membersource.Config) { c.Kind = "galette" }, "no program with an API"},
		"HelloAsso, slug": {func(c *membersource.Config) {
			c.Kind, c.Organization = memberlist.HelloAsso, "a/../b"
		}, "organization"},
		"HelloAsso, at home": {func(c *membersource.Config) {
			*c = programs[memberlist.HelloAsso]
			c.Private = true
		}, "private"},
	} {
		config := membersource.Config{Kind: memberlist.MemberMatters, URL: "https://members.example", SecretFile: "x"}
		c.change(&config)
		if _, err := membersource.New(config, membersource.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
