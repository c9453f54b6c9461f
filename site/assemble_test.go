package site

import (
	"reflect"
	"strings"
	"testing"

	"portillon/openbadge"
	"portillon/policy"
)

// hardMembers contains members with every field of members.yaml, and with texts that YAML could misinterpret.
var hardMembers = []Member{
	{ID: "m-1", Name: `Léa "L." \ O'Neil # no comment: { } [ ] & * ! | > % @`, Language: "fr",
		Emails:   []string{"a@example.org", "b@example.org"},
		Subjects: []string{"did:key:z6Mk", "https://x.example/#me"}, Badges: []string{"badges/a.json", "badges/sub/b.png"},
		Cards:   []string{"62E3086CED", "0012345678", "BC614E", "00BC614E", "hmac:" + strings.Repeat("5a", 32)},
		Parts:   []string{"BC614E", "00BC614E"},
		Blocked: true, Until: policy.Date{Year: 2027, Month: 9, Day: 30},
		Inactive: []InactiveCard{{Number: "AA00112233", State: policy.LostCard, Since: policy.Date{Year: 2026, Month: 11,
			Day: 1}},
			{Number: "BB614E", Part: true, State: policy.ReplacedCard}}},
	{ID: "null", Name: "yes"}, {ID: "0123", Name: "1.5e3"}, {ID: "m-4", Name: "~"},
}

func TestFormattedMembersAreReadBackUnchanged(t *testing.T) {
	for _, all := range [][]Member{hardMembers, nil} {
		text := FormatMembers(all)
		got, err := ParseMembers("members.yaml", text)
		if err != nil || len(got) != len(all) {
			t.Fatalf("%v\n%s", err, text)
		}
		for i := range got {
			if len(got[i].Badges) == 0 {
				got[i].Badges = nil
			}
			if !reflect.DeepEqual(got[i], all[i]) {
				t.Errorf("%+v, want %+v\n%s", got[i], all[i], text)
			}
		}
	}
	if hardMembers[0].Emails[0] != "a@example.org" {
		t.Error("the members were changed")
	}
}

// From every form that CardEntry writes, ParseCardEntry reads the same number.
func TestCardEntryIsReadBackUnchanged(t *testing.T) {
	for _, text := range []string{"62E3086CED", "hex:0012345678", "hex:12345678", "dec:0012345678", "dec:4294967295",
		"wiegand26:188,24910", "wiegand26:0,1", "hmac:" + strings.Repeat("5a", 32), "04A224BA115E80"} {
		number, part, err := ParseCardEntry(text)
		if got := CardEntry(number, part); err != nil || got != text {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	number, part, err := ParseCardEntry("wiegand34:1234,56789") // the decimal number of the same four bytes
	if n, p, err2 := ParseCardEntry(CardEntry(number, part)); err != nil || err2 != nil || n != number || p != part {
		t.Errorf("%s %v", n, err2)
	}
	for _, bad := range []string{"", "nothing", "0012345678", "hmac:12", "hmac:" + strings.Repeat("5g", 32),
		"wiegand26:300,1", strings.Repeat("A", 100)} {
		if number, _, err := ParseCardEntry(bad); err == nil || len(bad) > 5 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %q %v", bad, number, err)
		}
	}
}

func TestAssembledSiteEqualsTheSiteOfTheFolder(t *testing.T) {
	s, _ := example(t)
	n, err := New(s.text, s.Members, s.Badges, s.Status, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := order(t, 1)
	a, errA := s.Build(o)
	b, errB := n.Build(o)
	if errA != nil || errB != nil || !reflect.DeepEqual(a.Chunks, b.Chunks) || !reflect.DeepEqual(a.Warnings, b.Warnings) {
		t.Errorf("%v %v", errA, errB)
	}
	if _, err := New([]byte("nothing"), nil, nil, nil, &openbadge.Directory{}); err == nil {
		t.Error("a site without a policy was made")
	}
	if at, shared := n.Owner("x", &openbadge.Badge{Subject: "mailto:KARIM@example.org"}); at < 0 ||
		n.Members[at].ID != "m-be879f" || shared != nil {
		t.Errorf("%d %v", at, shared)
	}
}

func TestInvalidEmailAddressesAreRefused(t *testing.T) {
	for s, ok := range map[string]bool{"a@b": true, "lea@example.org": true, "": false, "a": false, "@b": false,
		"a@": false, "a b@c": false, "a@b,c@d": false, "<a@b>": false} {
		if (CheckEmail(s) == nil) != ok {
			t.Errorf("%q: %v", s, !ok)
		}
	}
}

func FuzzFormatMembers(f *testing.F) {
	f.Add(hardMembers[0].Name, "a@example.org")
	f.Add("A\u2028B\u0085\t\x01", "x@y")
	f.Fuzz(func(t *testing.T, name, email string) {
		name, err := tidyText(name)
		if err != nil || name == "" {
			return
		}
		email, err = tidyText(email)
		if err != nil || CheckEmail(email) != nil {
			return
		}
		in := []Member{{ID: "m-1", Name: name, Emails: []string{email}}}
		got, err := ParseMembers("members.yaml", FormatMembers(in))
		if err != nil || len(got) != 1 || got[0].Name != name || got[0].Emails[0] != email {
			t.Fatalf("%q %q: %+v %v", name, email, got, err)
		}
	})
}
