package directory

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"portillon/hub/memberlist"
	"portillon/policy"
)

// fixture reads a list of package memberlist.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../memberlist/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// day returns a day of 2027 as a workbook stores it.
func day(month time.Month, d int) time.Time { return time.Date(2027, month, d, 0, 0, 0, 0, time.UTC) }

// fabManagerBook returns the workbook that Fab-manager exports, with invented people.
func fabManagerBook(t testing.TB) []byte {
	return book(t, []any{"ID", "ID externe", "Nom", "Prénom", "Courriel", "Lettre d'informations", "Genre", "Groupe",
		"Abonnement", "Date de fin de l'abonnement", "Formations validées", "Étiquettes", "Nombre de factures"},
		[]any{7, "", "Roux", "Inès", "ines@example.org", true, "Femme", "standard", "Annuel", day(9, 30), "Laser\nCNC",
			"", 3},
		[]any{8, "", "Sans", "Rien", "rien@example.org", false, "Homme", "standard", "Sans Abonnement", nil, "", "", 0})
}

// assoConnectBook returns a workbook as AssoConnect exports it, with a column that the association added.
func assoConnectBook(t testing.TB) []byte {
	return book(t, []any{"Identifiant unique", "Nom", "Prénom", "Email", "Statut d'adhésion", "Date de fin d'adhésion",
		"Carte RFID"},
		[]any{"A-1", "Garnier", "Paul", "paul@example.org", "Adhérent", day(6, 30), "04A224BA115E80"},
		[]any{"A-2", "Ancien", "Membre", "ancien@example.org", "Non adhérent", nil, ""})
}

// programs returns a list of each known program, with the names that must be read from it.
func programs(t testing.TB) map[memberlist.Program]struct {
	in    Import
	names []string
	left  int
} {
	return map[memberlist.Program]struct {
		in    Import
		names []string
		left  int
	}{
		memberlist.Galette: {Import{Name: "filtered_memberslist.csv", Data: fixture(t, "galette_fr.csv")},
			[]string{"Aoife O'Brien", "Luc Parti", "Léo Petit", "Noël Lefèvre", "Rosa Da Silva"}, 1},
		memberlist.HelloAsso: {Import{Name: "export.csv", Data: fixture(t, "helloasso_adhesion.csv"),
			Until: policy.Date{Year: 2027, Month: 8, Day: 31}},
			[]string{"Chloé Martin", "Hugo Martin", "Inès Roux", "Samira Benali"}, 3},
		memberlist.FabManager:  {Import{Name: "members.xlsx", Data: fabManagerBook(t)}, []string{"Inès Roux"}, 1},
		memberlist.AssoConnect: {Import{Name: "contacts.xlsx", Data: assoConnectBook(t)}, []string{"Paul Garnier"}, 1},
		memberlist.FrenchExcel: {Import{Name: "membres.csv", Data: fixture(t, "excel_cp1252.csv")},
			[]string{"Noël Lefèvre", "Zoé Gœtz"}, 0},
	}
}

func TestListsOfKnownProgramsAreReadUnasked(t *testing.T) {
	for program, c := range programs(t) {
		t.Run(string(program), func(t *testing.T) {
			w := newWorld(t)
			p := w.importList(c.in)
			if p.Program != program || len(p.Why) == 0 || len(p.Left) != c.left || len(p.Added) != len(c.names) {
				t.Fatalf("%+v", p)
			}
			var names []string
			list, _, _ := w.Members.List(t.Context(), owner, Filter{}, Page{})
			for _, m := range list {
				names = append(names, m.Name)
				if m.Until == (policy.Date{}) && m.Name != "Aoife O'Brien" {
					t.Errorf("%s has a membership without an end", m.Name)
				}
				if program.HasOwnColumns() && m.Source != string(program) {
					t.Errorf("%s is of the list %q", m.Name, m.Source)
				}
			}
			slices.Sort(names)
			if !slices.Equal(names, c.names) {
				t.Errorf("%q, want %q", names, c.names)
			}
			again := must[Preview](t)(w.Imports.Preview(t.Context(), owner, c.in))
			if again.Unchanged != len(c.names) || len(again.Added)+len(again.Changed)+len(again.Gone)+len(again.Gains)+
				len(again.Loses) > 0 || again.Confirm {
				t.Errorf("a second import changes something: %+v", again)
			}
		})
	}
}

// The numbers of two programs both begin at 1. A list of one must not be matched with the members of the other.
func TestNumbersOfTwoProgramsAreDifferentNumbers(t *testing.T) {
	w := newWorld(t)
	w.importList(Import{Name: "a.csv", Data: bytes.ReplaceAll(fixture(t, "galette_fr.csv"),
		[]byte(`"12"`), []byte(`"7"`))})
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "a.xlsx", Data: fabManagerBook(t)}))
	if len(p.Added) != 1 || len(p.Changed) != 0 || len(p.Gone) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestPayerOfAnotherPersonMayNotSignIn(t *testing.T) {
	w := newWorld(t)
	p := w.importList(programs(t)[memberlist.HelloAsso].in)
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "2 orders were paid by another person") {
		t.Errorf("%q", p.Warnings)
	}
	for address, want := range map[string]int{"helene.martin@example.org": 0, "samira@example.org": 1,
		"samira.perso@example.org": 1, "paul.garnier@example.org": 0} {
		if got := must[[]Member](t)(w.Lookup.ByAddress(t.Context(), address)); len(got) != want {
			t.Errorf("%s signs in %d members, want %d", address, len(got), want)
		}
	}
	// An administrator may say that the payers are the guardians.
	p = must[Preview](t)(w.Imports.Preview(t.Context(), owner, programs(t)[memberlist.HelloAsso].in))
	p = must[Preview](t)(w.Imports.Remap(t.Context(), owner, p.ID,
		Mapping{Columns: map[string]string{memberlist.OtherPayer: "guardian"}}))
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	if got := must[[]Member](t)(w.Lookup.ByAddress(t.Context(), "helene.martin@example.org")); len(got) != 2 {
		t.Errorf("the guardian signs in %d members", len(got))
	}
}

// A list without a last day keeps the last days that members have.
func TestLastDayForAllRows(t *testing.T) {
	w := newWorld(t)
	in := programs(t)[memberlist.HelloAsso].in
	w.importList(in)
	in.Until = policy.Date{}
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	if len(p.Changed) != 0 || !strings.Contains(strings.Join(p.Warnings, "\n"), "no last day") {
		t.Errorf("%+v", p)
	}
	later := Mapping{Until: policy.Date{Year: 2028, Month: 8, Day: 31}}
	p = must[Preview](t)(w.Imports.Remap(t.Context(), owner, p.ID, later))
	if len(p.Changed) != 4 || !slices.Equal(p.Changed[0].Fields, []string{"until"}) {
		t.Errorf("%+v", p.Changed)
	}
	in.Until = policy.Date{Year: 2028, Month: 2, Day: 31}
	if _, err := w.Imports.Preview(t.Context(), owner, in); len(invalid(err)) != 1 {
		t.Errorf("31 February: %v", err)
	}
}

func TestAssignedColumnsAreRememberedForTheProgram(t *testing.T) {
	w := newWorld(t)
	in := programs(t)[memberlist.Galette].in
	field := func(p Preview, header string) Header {
		i := slices.IndexFunc(p.Headers, func(h Header) bool { return strings.HasPrefix(h.Header, header) })
		return p.Headers[i]
	}
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	if h := field(p, "Pseudo"); h.Field != "-" || h.Remembered {
		t.Fatalf("%+v", h)
	}
	first := p.ID
	p = must[Preview](t)(w.Imports.Remap(t.Context(), owner, p.ID, Mapping{Columns: map[string]string{"Pseudo": "note"}}))
	if _, err := w.Imports.Apply(t.Context(), owner, first); err == nil {
		t.Error("the discarded preview was applied")
	}
	// Nothing is remembered before the list is applied.
	if other := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in)); field(other, "Pseudo").Field != "-" {
		t.Error("the assignment is remembered before it is applied")
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	p = must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
	if h := field(p, "Pseudo"); h.Field != "note" || !h.Remembered || p.Unchanged != 5 {
		t.Errorf("%+v, %d unchanged", h, p.Unchanged)
	}
	// Other programs have other columns.
	out := must[rememberedColumns](t)(w.Imports.rememberedColumns(t.Context()))
	if len(out) != 1 || len(out[memberlist.Galette]) != 1 {
		t.Errorf("%+v", out)
	}
	// The usual field again is not stored, although no member changes.
	p = must[Preview](t)(w.Imports.Remap(t.Context(), owner, p.ID, Mapping{Columns: map[string]string{"Pseudo": "-"}}))
	if len(p.Changed) != 0 {
		t.Fatalf("%+v", p.Changed)
	}
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	if out := must[rememberedColumns](t)(w.Imports.rememberedColumns(t.Context())); len(out) != 0 {
		t.Errorf("%+v", out)
	}
	for header, f := range map[string]string{"Pseudo": "salary", "Nobody's column": "note", "Courriel": "until"} {
		p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, in))
		_, err := w.Imports.Remap(t.Context(), owner, p.ID, Mapping{Columns: map[string]string{header: f}})
		if len(invalid(err)) == 0 {
			t.Errorf("%s as %s: %v", header, f, err)
		}
	}
}

// A wrong column of dates ends many memberships at once.
func TestManyEndedMembershipsNeedAConfirmation(t *testing.T) {
	w := newWorld(t)
	list := func(ended int) Import {
		var b strings.Builder
		b.WriteString("name;email;until\n")
		for i := range 20 {
			until := "2027-09-30"
			if i < ended {
				until = "2026-01-01"
			}
			fmt.Fprintf(&b, "Member %d;m%d@example.org;%s\n", i, i, until)
		}
		return Import{Name: "a.csv", Data: []byte(b.String())}
	}
	w.importList(list(0))
	for ended, asks := range map[int]bool{0: false, 2: false, 3: true, 20: true} {
		p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, list(ended)))
		if p.Ends != ended || p.Confirm != asks {
			t.Errorf("%d of 20 end: %d, confirm %v", ended, p.Ends, p.Confirm)
		}
	}
	p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, list(5)))
	if _, err := w.Imports.Apply(t.Context(), owner, p.ID); len(invalid(err)) != 1 ||
		!strings.Contains(invalid(err)[0].Wrong, "ends 5 memberships") {
		t.Fatalf("%v", err)
	}
	must[Preview](t)(w.Imports.Confirm(t.Context(), owner, p.ID))
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	// Memberships that have ended do not end again.
	if p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, list(5))); p.Ends != 0 || p.Confirm {
		t.Errorf("%d end, confirm %v", p.Ends, p.Confirm)
	}
}

// rezipped returns a workbook with one part changed.
func rezipped(t testing.TB, data []byte, part string, change func(string) string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range z.File {
		b, err := partOf(f)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == part {
			b = []byte(change(string(b)))
		}
		parts[f.Name] = b
	}
	return zipOfFiles(t, parts)
}

func TestMisbehavingFilesAreRefusedWithAReason(t *testing.T) {
	good := assoConnectBook(t)
	sheet := "xl/worksheets/sheet1.xml"
	merged := func() []byte {
		f := excelize.NewFile()
		defer f.Close()
		for cell, v := range map[string]string{"A1": "Membres 2026", "A2": "Nom", "B2": "Courriel", "A3": "Roux"} {
			if err := f.SetCellStr("Sheet1", cell, v); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		if err := f.MergeCell("Sheet1", "A1", "B1"); err != nil || f.Write(&b) != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	swap := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%s: no %s", sheet, old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	until := `<c r="F2"`
	formula := func(rest string) []byte {
		return rezipped(t, good, sheet, func(s string) string {
			before, after, ok := strings.Cut(s, until)
			_, after, end := strings.Cut(after, "</c>")
			if !ok || !end {
				t.Fatal(s)
			}
			return before + `<c r="F2"` + rest + "</c>" + after
		})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"HTML":                     {[]byte("\ufeff \r\n<HTML><table><tr><td>Nom</td></tr></table>"), "0 file HTML"},
		"a workbook of Excel 2003": {[]byte("<?xml version=\"1.0\"?>\n<Workbook><Worksheet/></Workbook>"), "0 file XML"},
		"a truncated ZIP":          {good[:len(good)*2/3], "0 file cannot be read"},
		"half a ZIP's end":         {good[:len(good)-10], "0 file cannot be read"},
		"a million columns":        {append(bytes.Repeat([]byte("a;"), 1_000_000), '\n'), "1  1000000 columns"},
		"a column at the end":      {rezipped(t, good, sheet, swap(`r="A2"`, `r="XFD2"`)), "2 "},
		"a formula alone":          {formula(`><f>TODAY()</f>`), "2 F2 formula"},
		"a formula, empty value":   {formula(`><f>TODAY()</f><v></v>`), "2 F2 formula"},
		"an error":                 {formula(` t="e"><f>A1/0</f><v>#DIV/0!</v>`), "2 F2 error"},
		"merged cells":             {merged(), "1 header name"},
		"a name twice":             {[]byte("Nom;Nom;Courriel\nA;B;a@example.org\n"), "1 Nom already"},
		"a lost card number":       {fixture(t, "excel_scientific_uid.csv"), "2 UID digits are lost"},
	} {
		_, err := readList(Import{Name: "members.xls", Data: c.data}, time.UTC)
		f := invalid(err)
		row, rest, _ := strings.Cut(c.want, " ")
		field, part, _ := strings.Cut(rest, " ")
		if len(f) == 0 || fmt.Sprint(f[0].Row) != row || !strings.HasPrefix(f[0].Field, field) ||
			!strings.Contains(f[0].Wrong, part) || f[0].Right == "" {
			t.Errorf("%s: %+v %v, want %q", name, f, err, c.want)
		}
	}
	// These look odd, and are right.
	for name, data := range map[string][]byte{
		"a formula with its value": formula(`><f>DATE(2027,6,30)</f><v>46568</v>`),
		"mixed line ends":          []byte("Nom;Courriel\r\nA;a@example.org\nB;b@example.org\rC;c@example.org\r\n"),
		"a mark":                   fixture(t, "excel_utf8_bom.csv"),
		"ignored names twice":      []byte("Nom;Ville;Ville;Courriel\nA;x;y;a@example.org\n"),
	} {
		if l, err := readList(Import{Name: "a", Data: data}, time.UTC); err != nil || len(l.rows) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The lists of previews are kept in memory, within a limit.
func TestListsOfPreviewsAreBounded(t *testing.T) {
	s := &previewStore{now: func() time.Time { return time.Unix(1, 0) }, plans: map[string]*plan{}}
	var first *plan
	for i := range 6 {
		pl := &plan{in: Import{Data: make([]byte, maxPreviewData/4)}}
		if s.add(pl); i == 0 {
			first = pl
		}
		s.now = func() time.Time { return time.Unix(int64(i+2), 0) }
	}
	total := 0
	for _, pl := range s.plans {
		total += len(pl.in.Data)
	}
	if total != maxPreviewData || first.in.Data != nil || len(s.plans) != 6 {
		t.Errorf("%d bytes in %d previews", total, len(s.plans))
	}
}

// BenchmarkPreviewOfAProgramsList previews a Galette list of 10,000 members, of which 500 change, and the list that was
// imported last.
func BenchmarkPreviewOfAProgramsList(b *testing.B) {
	const n = 10_000
	list := func(changed int) Import {
		var s strings.Builder
		s.WriteString(`"Numéro adhérent";"Nom";"Prénom";"Pseudo";"Courriel";"Compte";"Statut";"Date d’échéance"` + "\r\n")
		for i := range n {
			until := "30/09/2027"
			if i < changed {
				until = "30/09/2028"
			}
			fmt.Fprintf(&s, "\"%d\";\"Nom%d\";\"Prénom%d\";\"\";\"a%d@example.org\";\"Oui\";\"Membre actif\";\"%s\"\r\n",
				i+1, i*7919%n, i, i, until)
		}
		return Import{Name: "a.csv", Data: []byte(s.String())}
	}
	w := newCrowd(b, n)
	p, err := w.Imports.Preview(b.Context(), owner, list(0))
	if err == nil && p.Confirm {
		_, err = w.Imports.Confirm(b.Context(), owner, p.ID)
	}
	if err == nil {
		_, err = w.Imports.Apply(b.Context(), owner, p.ID)
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, changed := range []int{500, 0} {
		b.Run(fmt.Sprintf("%d changed", changed), func(b *testing.B) {
			in, before, k := list(changed), processorTime(b), 0
			for b.Loop() {
				k++
				p, err := w.Imports.Preview(b.Context(), owner, in)
				if err != nil || p.Program != memberlist.Galette || len(p.Changed) != changed || p.Unchanged != n-changed {
					b.Fatal(p.Program, len(p.Added), len(p.Changed), p.Unchanged, err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before)/time.Duration(k))/1e6, "cpu-ms/op")
		})
	}
}
