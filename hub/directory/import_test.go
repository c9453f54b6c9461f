package directory

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// These lists contain invented people, in the formats of several programs.
const french = "Nom;Prénom;Courriel;Date d’échéance;Carte RFID;Langue;Numéro adhérent;Ville\r\n" +
	"Lefèvre;Noël;noel@example.org;30/09/2027;04A224BA115E80;français;12;Angers\r\n" +
	"\"Da Silva\";\"Rosa \"\"Rosie\"\"\";rosa@example.org;1/1/2027;;anglais;13;\r\n"

func cp1252(t testing.TB, s string) []byte {
	t.Helper()
	b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func utf16(t testing.TB, s string) []byte {
	t.Helper()
	b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// book returns an XLSX workbook with these cells.
func book(t testing.TB, rows ...[]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAllListFormatsGiveTheSameMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	english := "First Name\tLast name\tE-mail\tExpiry date\tCard number\tLanguage\tMember number\n" +
		"Noël\tLefèvre\tnoel@example.org\t2027-09-30T00:00:00\t04:A2:24:BA:11:5E:80\tfr_FR\t12\nRosa \"\"Rosie\"\"\tDa " +
		"Silva\trosa@example.org\t2027-01-01\t\ten\t13\n"
	english = strings.Replace(english, `Rosa ""Rosie""`, `"Rosa ""Rosie"""`, 1)
	commas := "name,mél,until,uid,langue,id externe\n\"Noël " +
		"Lefèvre\",noel@example.org,30-09-2027,04a224ba115e80,fr,12\n\n" +
		"\"Rosa \"\"Rosie\"\" Da Silva\",rosa@example.org,01.01.2027,,en,13\n"
	for name, in := range map[string]Import{
		"French Excel, CP1252":  {Name: "membres.csv", Data: cp1252(t, french)},
		"UTF-8 with a mark":     {Name: "membres.csv", Data: []byte("\ufeff" + french)},
		"UTF-8":                 {Name: "membres.txt", Data: []byte(french)},
		"UTF-16 of Excel":       {Name: "membres.txt", Data: utf16(t, french)},
		"old Mac line ends":     {Name: "membres.csv", Data: []byte(strings.ReplaceAll(french, "\r\n", "\r"))},
		"Excel's separator row": {Name: "membres.csv", Data: []byte("sep=;\r\n" + french)},
		"English, tabs":         {Name: "members.tsv", Data: []byte(english)},
		"commas":                {Name: "members.csv", Data: []byte(commas)},
		"mapped by hand": {Name: "m.csv", Data: []byte(strings.Replace(french, "Carte RFID", "Truc", 1)),
			Mapping: map[string]string{"Truc": "card", "Ville": "-"}},
		"XLSX": {Name: "membres.xlsx", Data: book(t, []any{"Nom", "Prénom", "Courriel", "Échéance", "RFID", "Langue",
			"Numéro adhérent"},
			[]any{"Lefèvre", "Noël", "noel@example.org", time.Date(2027, 9, 30, 0, 0, 0, 0, time.UTC), "04A224BA115E80",
				"fr", 12}, []any{},
			[]any{"Da Silva", `Rosa "Rosie"`, "rosa@example.org", "01/01/2027", "", "en", 13})},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.importList(in)
			if len(p.Added) != 2 || !p.Applied || len(p.Warnings) > 0 {
				t.Fatalf("%+v", p)
			}
			list, _, err := w.Members.List(t.Context(), owner, Filter{}, Page{})
			if err != nil || len(list) != 2 {
				t.Fatal(err)
			}
			n, r := list[0], list[1]
			if n.Name != "Noël Lefèvre" || !slices.Equal(n.Emails, []string{"noel@example.org"}) ||
				n.Until.String() != "2027-09-30" || n.Language != "fr" ||
				n.External != "12" || len(n.Cards) != 1 || n.Cards[0].Number != "04A224BA115E80" || n.Source != "list" {
				t.Errorf("%+v", n)
			}
			if r.Name != `Rosa "Rosie" Da Silva` || r.Until.String() != "2027-01-01" || r.Language != "en" || len(r.Cards) != 0 {
				t.Errorf("%+v", r)
			}
			again := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
			if again.Unchanged != 2 ||
				len(again.Added)+len(again.Changed)+len(again.Gone)+len(again.Gains)+len(again.Loses) > 0 {
				t.Errorf("a second import changes something: %+v", again)
			}
		})
	}
}

// A preview reports all faults of a list together, each with row and column.
func TestFaultsOfAListNameRowAndColumn(t *testing.T) {
	w := newWorld(t)
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, w.add("Holder").ID, Card{Number: "62E3086CED"}))
	w.add("X", "x@example.org")
	for name, c := range map[string]struct {
		data string
		want []string // row, column, and a part of the expected fault
	}{
		"each cell": {"Nom;Courriel;Échéance;Carte;Langue;Actif;Numéro\n" +
			"A;nothing;31/02/2027;04A224BA115E80;fr;oui;1\n" +
			";b@example.org;12/25/2027;6,2E+30;xx;peut-être;1\n" +
			"C;c@example.org;1/2/27;0012345678;;;2\n" +
			"D;d@example.org;;04A224BA115E80|zz;;;3\n",
			[]string{"2 Échéance no day", "2 Courriel no e-mail", "3 Échéance month does not exist",
				"3 Carte floating-point",
				"3 Langue unknown language", "3 Actif neither", "3 Nom has a name",
				"3 external_id row 2", "4 Échéance four digits", "4 Carte leading zeros", "5 Carte not a card number",
				"5 card row 2"}},
		"somebody's card": {"name;email;card\nX;x@example.org;62E3086CED\n", []string{"2 cards belongs to another member"}},
		"extra cells":     {"name;email\nX;x@example.org;extra\n", []string{"2 column more cells"}},
		"an open quote":   {"name;email\n\"X;x@example.org\nY;y@example.org\n", []string{"3 column quotes"}},
		"a quote inside":  {"name;email\nX \"Y\" Z;x@example.org\n", []string{"2 column quotes"}},
		"no header":       {"Léa Martin;lea@example.org\n", []string{"1 header no column"}},
		"a column twice":  {"name;until;fin\nA;2027-01-01;2027-01-01\n", []string{"1 fin read as until already"}},
		"a member twice":  {"id;name\nm-1;A\nm-1;A\n", []string{"3 id row 2"}},
		"scientific, English": {"name;card\nX;6.2E+10\nY;1.23457E+13\n", []string{"2 card floating-point",
			"3 card floating-point"}},
		"nothing":             {"", []string{"0 file empty"}},
		"blank":               {"\n\n", []string{"0 file no row"}},
		"zero bytes":          {"name\nA\x00B\n", []string{"0 file zero bytes"}},
		"an old workbook":     {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", []string{"0 file old Excel"}},
		"a broken workbook":   {"PK\x03\x04nothing", []string{"0 file cannot be read"}},
		"a long cell":         {"name\n" + strings.Repeat("x", maxCell+1) + "\n", []string{"2 column 1 bytes"}},
		"many columns":        {strings.Repeat("name;", maxColumns) + "x\n", []string{"1  101 columns"}},
		"a control character": {"name\nA\u202eB\n", []string{"2 name direction control"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Imports.Preview(t.Context(), owner, Import{Name: "a.csv", Data: []byte(c.data)})
			got := invalid(err)
			if len(got) != len(c.want) {
				t.Fatalf("%d faults, want %d: %+v %v", len(got), len(c.want), got, err)
			}
			for i, f := range got {
				row, rest, _ := strings.Cut(c.want[i], " ")
				field, part, _ := strings.Cut(rest, " ")
				if fmt.Sprint(f.Row) != row || !strings.HasPrefix(f.Field, field) || !strings.Contains(f.Field+" "+f.Wrong,
					part) && !strings.Contains(f.Wrong, part) {
					t.Errorf("fault %d: %+v, want %q", i, f, c.want[i])
				}
				if f.Right == "" || strings.Contains(f.Given, "E+") || strings.Contains(fmt.Sprint(f), "62E3086CED") {
					t.Errorf("fault %d says nothing that would do, or quotes a card: %+v", i, f)
				}
			}
		})
	}
	_, err := w.Imports.Preview(t.Context(), owner, Import{Name: "a.csv", Data: []byte("name;x\nA;1\n"),
		Mapping: map[string]string{"x": "salary"}})
	if f := invalid(err); len(f) != 1 || !strings.Contains(f[0].Wrong, "unknown field") {
		t.Errorf("%v", err)
	}
	_, err = w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml",
		Data: []byte("portillon: 1\nmembers:\n  - { id: A, name: x }\n  - { id: b }\n")})
	if f := invalid(err); len(f) < 2 || f[0].Row != 3 || f[1].Row != 4 {
		t.Errorf("%+v", f)
	}
	if some, all, _ := w.Members.Count(t.Context(), owner, Filter{}); some != 2 || all != 2 {
		t.Error("a preview wrote something")
	}
}

// A card number such as 62E30812 is hexadecimal, although it looks like a number with an exponent.
func TestHexadecimalNumberWithAnEIsNotScientific(t *testing.T) {
	for cell, scientific := range map[string]bool{"62E30812": false, "62E3086CED": false, "6,2E+30": true,
		"6.2E+30": true, "62E-30": true, "6.2e30": true, "1E+05": true} {
		if looksScientific(cell) != scientific {
			t.Errorf("%s: %v", cell, !scientific)
		}
	}
}

// The list contains one row for each way to match a row with a member, the weakest way last.
func TestRowsAreMatchedWithMembers(t *testing.T) {
	w := newWorld(t)
	w.importList(Import{Name: "a.csv", Data: []byte("name;email;external id;card\n" +
		"Léa Martin;lea@example.org;1;AABBCCDD\nTom Martin;parent@example.org;;\nZoé Martin;parent@example.org;;\nPaul " +
		"Petit;paul@example.org;;11AABBCC\nNobody Else;;;\n")})
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "a.csv",
		Data: []byte("name;email;external id;card;until\n" +
			"Léa Dupont;new@example.org;1;;2027-01-01\n" + // external id of a member, with a new name and address
			"ZOE MARTIN;parent@example.org;;;2027-01-01\n" + // shared address and name of a member
			"Tom Martin;parent@example.org;;;2027-01-01\n" +
			"Paul-Henri Petit;ph@example.org;;11AABBCC;2027-01-01\n" + // card of a member
			"nobody else;;;;2027-01-01\n" + // name of a member
			"Tom Martin;tom@example.org;;;2027-01-01\n")})) // a different person with the same name
	if len(p.Changed) != 5 || len(p.Added) != 1 || len(p.Gone) != 0 || p.Added[0].Row != 7 {
		t.Fatalf("%+v", p)
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	list, _, _ := w.Members.List(t.Context(), owner, Filter{Text: "dupont"}, Page{})
	if len(list) != 1 || !slices.Equal(list[0].Emails, []string{"lea@example.org", "new@example.org"}) ||
		len(list[0].Cards) != 1 {
		t.Errorf("an address that was there is gone: %+v", list)
	}
}

func TestMembersMissingFromTheListAreSuspended(t *testing.T) {
	w := newWorld(t)
	byHand := w.add("By Hand", "hand@example.org")
	var rows []string
	for i := range 20 {
		rows = append(rows, fmt.Sprintf("Member %02d;m%d@example.org", i, i))
	}
	file := func(rows []string) Import {
		return Import{Name: "a.csv", Data: []byte("name;email\n" + strings.Join(rows, "\n")), Source: "galette"}
	}
	w.importList(file(rows))
	for n, asks := range map[int]bool{19: false, 18: false, 17: true, 0: true} {
		if p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, file(append(slices.Clone(rows[:n]),
			"By Hand;hand@example.org")))); p.Confirm != asks || len(p.Gone) != 20-n {
			t.Errorf("%d of 20 rows: confirm %v, %d gone", n, p.Confirm, len(p.Gone))
		}
	}
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, file(rows[:10])))
	if _, err := w.Imports.Apply(t.Context(), owner, p.ID); len(invalid(err)) != 1 {
		t.Fatalf("10 of 20 members were suspended without a question: %v", err)
	}
	if p := must[Preview](t)(w.Imports.Confirm(t.Context(), owner, p.ID)); p.Confirm {
		t.Error("it still asks")
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	gone, _, _ := w.Members.Count(t.Context(), owner, Filter{State: StateBlocked})
	if gone != 10 || w.member(byHand.ID).Gone {
		t.Errorf("%d are suspended; by hand %v", gone, w.member(byHand.ID).Gone)
	}
	for _, e := range must[*index](t)(w.Members.core.index.current(t.Context())).entries {
		if e.as(w.policy).Blocked != e.Gone {
			t.Errorf("%s is judged as if an import had not suspended them", e.Name)
		}
	}
	for _, m := range must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Members {
		if m.Blocked != (m.Name >= "Member 10") {
			t.Errorf("%s: blocked %v", m.Name, m.Blocked)
		}
	}
	if p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, file(rows[:10]))); len(p.Gone) != 0 || p.Confirm {
		t.Errorf("who is gone goes again: %+v", p)
	}
	if p := w.importList(file(rows)); len(p.Changed) != 10 || p.Changed[0].Fields[0] != "gone" {
		t.Errorf("who is listed again does not come back: %+v", p)
	}
	if gone, _, _ := w.Members.Count(t.Context(), owner, Filter{State: StateBlocked}); gone != 0 {
		t.Errorf("%d are suspended", gone)
	}
}

func TestPreviewListsGainedAndLostRights(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	data := must[[]byte](t)(os.ReadFile(example + "/members.yaml"))
	text := strings.Replace(string(data), "email: karim@example.org", "email: karim@example.org, until: 2026-01-01", 1)
	text = strings.Replace(text, "email: lea@example.org", "email: other@example.org", 1)
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml", Data: []byte(text)}))
	var loses []string
	for _, r := range p.Loses {
		loses = append(loses, fmt.Sprintf("%s %s %s", strings.Fields(r.Name)[0], r.Machine, r.Role))
	}
	for _, want := range []string{"Léa laser user", "Karim laser mentor", "Karim laser user"} {
		if !slices.Contains(loses, want) {
			t.Errorf("%q is not in %q", want, loses)
		}
	}
	if len(p.Gains) != 0 || len(p.Changed) != 2 || p.Unchanged != 11 {
		t.Errorf("%+v", p)
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	p = must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml", Data: data}))
	if len(p.Gains) != len(loses) || len(p.Loses) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestPreviewIsRefusedAfterTheDirectoryHasChanged(t *testing.T) {
	w := newWorld(t)
	in := Import{Name: "a.csv", Data: []byte("name\nA\n")}
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	w.add("B")
	var conflict *fault.Conflict
	if _, err := w.Imports.Apply(t.Context(), owner, p.ID); !errors.As(err, &conflict) {
		t.Errorf("%v", err)
	}
	p = must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	var missing *fault.NotFound
	if _, err := w.Imports.Apply(t.Context(), actor.Actor{Account: "other", Site: actor.Owner}, p.ID); !errors.As(
		err,
		&missing,
	) {
		t.Errorf("another account applied it: %v", err)
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	if _, err := w.Imports.Apply(t.Context(), owner, p.ID); !errors.As(err, &missing) {
		t.Errorf("it was applied twice: %v", err)
	}
	p = must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	w.now = w.now.Add(previewLife + time.Second)
	if _, err := w.Imports.Apply(t.Context(), owner, p.ID); !errors.As(err, &missing) {
		t.Errorf("an old preview was applied: %v", err)
	}
	for range maxPreviews + 5 {
		must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	}
	if len(w.Imports.previews.plans) != maxPreviews {
		t.Errorf("%d previews are kept", len(w.Imports.previews.plans))
	}
}

// An import fails if the actor may not write all fields of its columns. If a cell of a list is empty, the import
// clears the stored value.
func TestImportNeedsTheRightsOfItsColumns(t *testing.T) {
	w := newWorld(t)
	m := must[Member](t)(w.Members.Add(t.Context(), owner, Member{ID: "m-a", Name: "A", Note: "secret"}))
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED"}))
	for data, acts := range map[string][]actor.Act{
		"name;card\nB;62E3086CEE\n":                               {actor.ReadMembers, actor.ReadNotes},
		"name;note\nB;secret\n":                                   {actor.ReadMembers, actor.WriteCards},
		"id;name;note\nm-a;A;\n":                                  {actor.ReadMembers, actor.WriteCards},
		"portillon: 1\nmembers:\n  - { id: m-a, name: A }\n":      {actor.ReadMembers, actor.ReadNotes},
		"portillon: 1\nmembers:\n  - { id: m-b, name: B }\n# x\n": {actor.ReadMembers, actor.ReadNotes},
		"name\nB\n": {actor.ReadNotes, actor.WriteCards},
	} {
		list := Import{Name: "a.csv", Data: []byte(data)}
		if strings.HasPrefix(data, "portillon") {
			list.Name = "members.yaml"
		}
		less := actor.Actor{Account: owner.Account, Site: actor.Owner, Scopes: append(acts, actor.WriteMembers)}
		_, err := w.Imports.Preview(t.Context(), less, list)
		if denied := (*actor.Denied)(nil); !errors.As(err, &denied) {
			t.Errorf("%q: %v", data, err)
		}
		// A token without these rights cannot apply a preview that was made with all rights.
		p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, list))
		shown, err := w.Imports.Confirm(t.Context(), less, p.ID)
		if denied := (*actor.Denied)(nil); !errors.As(err, &denied) || shown.ID != "" {
			t.Errorf("%q is confirmed: %+v, %v", data, shown, err)
		}
		_, err = w.Imports.Apply(t.Context(), less, p.ID)
		if denied := (*actor.Denied)(nil); !errors.As(err, &denied) {
			t.Errorf("%q is applied: %v", data, err)
		}
	}
	if got := w.member(m.ID); got.Note != "secret" || len(got.Cards) != 1 || got.Version != m.Version+1 {
		t.Errorf("%+v", got)
	}
}

// A members.yaml may assign a card of one member to another member.
func TestMembersYAMLMayMoveACardBetweenMembers(t *testing.T) {
	w := newWorld(t)
	yaml := func(a, b string) Import {
		return Import{Name: "members.yaml", Data: fmt.Appendf(nil,
			"portillon: 1\nmembers:\n  - { id: m-a, name: A, cards: [%s] }\n  - { id: m-b, name: B, cards: [%s] }\n", a, b)}
	}
	w.importList(yaml("", `"AABBCCDD"`))
	p := w.importList(yaml(`"AABBCCDD"`, ""))
	if len(p.Changed) != 2 || len(w.member("m-a").Cards) != 1 || len(w.member("m-b").Cards) != 0 {
		t.Errorf("%+v", p)
	}
	p = w.importList(yaml(`{ number: "AABBCCDD", state: lost, since: 2026-11-01 }`, ""))
	if c := w.member("m-a").Cards; len(p.Changed) != 1 || len(c) != 1 || c[0].State != Lost ||
		policy.DateOf(c[0].Since, w.policy.Zone).Day != 1 {
		t.Errorf("%+v %+v", p, c)
	}
}

func TestExportedCellsAreNotFormulas(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"=HYPERLINK(\"http://evil\")", "+cmd", "-1+2", "@SUM(A1)", "Léa"} {
		w.add(name, "x"+fmt.Sprint(len(name))+"@example.org")
	}
	must[Member](t)(w.Members.Add(t.Context(), owner, Member{Name: "Ext", External: "=1"}))
	for _, format := range []string{CSV, XLSX} {
		var b bytes.Buffer
		if err := w.Exports.Export(t.Context(), owner, format, &b); err != nil {
			t.Fatal(err)
		}
		var rows []tableRow
		if format == CSV {
			if !bytes.HasPrefix(b.Bytes(), []byte("\xef\xbb\xbf")) || !bytes.Contains(b.Bytes(), []byte("\r\n")) {
				t.Error("Excel would not read it as UTF-8")
			}
			rows = must[*table](t)(readCSV(b.Bytes())).rows
		} else {
			rows = must[*table](t)(readXLSX(b.Bytes())).rows
		}
		if len(rows) != 7 {
			t.Fatalf("%s: %d rows", format, len(rows))
		}
		for _, r := range rows {
			for _, c := range r.cells {
				if isFormula(c) {
					t.Errorf("%s: the cell %q is a formula", format, c)
				}
			}
		}
		p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "x." + format, Data: b.Bytes()}))
		if p.Unchanged != 6 || len(p.Added)+len(p.Changed) > 0 {
			t.Errorf("%s: its own export changes something: %+v", format, p)
		}
	}
	if err := w.Exports.Export(t.Context(), owner, "pdf", discard()); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
}

func TestExportOfASiteChangesNothingWhenItIsImported(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	w := newWorld(t)
	w.importSite(sharedSite(t))
	for _, format := range []string{CSV, XLSX, YAML} {
		var b bytes.Buffer
		if err := w.Exports.Export(t.Context(), owner, format, &b); err != nil {
			t.Fatal(err)
		}
		p, err := w.Imports.Preview(
			t.Context(),
			owner,
			Import{Name: "x." + strings.TrimPrefix(format, "members."), Data: b.Bytes()},
		)
		if err != nil || p.Unchanged != 13 || len(p.Changed)+len(p.Added)+len(p.Gone) > 0 {
			t.Errorf("%s: %+v %v", format, p, err)
		}
	}
}
