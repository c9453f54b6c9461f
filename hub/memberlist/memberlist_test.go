package memberlist

import (
	"bytes"
	"encoding/csv"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// none is a reader of headers that knows no header.
func none(string) string { return "" }

// generic knows three of the headers that package directory knows.
func generic(header string) string {
	return map[string]string{"email": "email", "parentaprevenir": "guardian", "carterfid": "card"}[Plain(header)]
}

// tableOf reads a fixture of testdata with semicolons.
func tableOf(t testing.TB, name string) Table {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out := Table{Separator: ';'}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		out.Windows1252 = true
		if data, err = charmap.Windows1252.NewDecoder().Bytes(data); err != nil {
			t.Fatal(err)
		}
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = ';'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out.Header = rows[0]
	for i, cells := range rows[1:] {
		out.Rows = append(out.Rows, Row{i + 2, cells})
	}
	return out
}

// sheet returns a table of a workbook.
func sheet(name string, header ...string) Table {
	return Table{XLSX: true, Sheet: name, Header: header}
}

func fabManager() Table {
	return sheet("Membres", "ID", "ID externe", "Nom", "Prénom", "Courriel", "Lettre d'informations", "Genre", "Groupe",
		"Abonnement", "Date de fin de l'abonnement", "Formations validées", "Étiquettes", "Nombre de factures")
}

func TestProgramIsRecognisedByItsColumns(t *testing.T) {
	english := sheet("Members", "ID", "Surname", "First name", "Email", "Subscription", "Subscription end date",
		"Validated trainings")
	for name, c := range map[string]struct {
		table Table
		want  Program
		what  []string
	}{
		"galette":              {tableOf(t, "galette_fr.csv"), Galette, []string{"columns", "separator"}},
		"helloasso":            {tableOf(t, "helloasso_adhesion.csv"), HelloAsso, []string{"columns"}},
		"fab-manager":          {fabManager(), FabManager, []string{"columns", "sheet"}},
		"fab-manager, English": {english, FabManager, []string{"columns", "sheet"}},
		"assoconnect": {sheet("Contacts", "Identifiant unique", "Nom", "Date de fin d'adhésion"), AssoConnect,
			[]string{"columns"}},
		"excel": {tableOf(t, "excel_cp1252.csv"), FrenchExcel,
			[]string{"separator", "encoding", "dates", "decimals"}},
		"excel, UTF-8": {tableOf(t, "excel_utf8_bom.csv"), FrenchExcel, []string{"separator", "dates", "decimals"}},
		"a few common columns": {Table{Separator: ';', Header: []string{"Nom", "Prénom", "Courriel", "Date d’échéance",
			"Numéro adhérent", "Ville"}}, "", nil},
		"an id and a name":   {sheet("Feuil1", "ID", "Nom", "Courriel"), "", nil},
		"a CSV of a fab lab": {Table{Separator: ',', Header: fabManager().Header}, "", nil},
		"orders of a shop": {Table{Separator: ';', Header: []string{"Référence commande", "Statut de la commande",
			"Email payeur"}}, "", nil},
		"no column":             {Table{}, "", nil},
		"columns without names": {Table{Separator: ';', Header: []string{"", "", " "}}, "", nil},
	} {
		l := Recognise(c.table, none)
		var what []string
		for _, r := range l.Why {
			what = append(what, r.What)
		}
		if l.Program != c.want || !slices.Equal(what, c.what) {
			t.Errorf("%s: %q because of %q, want %q because of %q", name, l.Program, what, c.want, c.what)
		}
		if l.Program.HasOwnColumns() && len(l.Fields) < len(c.table.Header) {
			t.Errorf("%s: %d fields for %d columns", name, len(l.Fields), len(c.table.Header))
		}
	}
}

func TestGaletteColumnsAndRows(t *testing.T) {
	l := Recognise(tableOf(t, "galette_fr.csv"), generic)
	for plain, want := range map[string]string{"numeroadherent": "external_id", "nom": "last", "prenom": "first",
		"courriel": "email", "compte": "active", "datedecheance": "until", "langue": "language", "identifiant": Ignore,
		"parent": Ignore, "autresinformationsadmin": Ignore} {
		if got := l.Fields[strings.TrimSpace(l.Table.Header[l.Table.at(plain)])]; got != want {
			t.Errorf("%s is read as %q, want %q", plain, got, want)
		}
	}
	rows, left := l.Prepare(l.Fields)
	if want := []Left{{Row: 5, Why: NoEnd}}; !slices.Equal(left, want) {
		t.Errorf("left out: %+v, want %+v", left, want)
	}
	number, language := l.Table.at("numeroadherent"), l.Table.at("langue")
	for i, want := range []struct{ number, language string }{{"galette:12", "fr_FR.utf8"}, {"galette:13", ""},
		{"galette:14", "en_US"}, {"galette:16", "fr_FR.utf8"}, {"galette:17", "fr_FR.utf8"}} {
		if got := rows[i]; got.Cells[number] != want.number || got.Cells[language] != want.language {
			t.Errorf("row %d: %q %q, want %+v", got.Number, got.Cells[number], got.Cells[language], want)
		}
	}
	// Nobody is left out for the dates if no column is read as the last day.
	l.Fields[strings.TrimSpace(l.Table.Header[l.Table.at("datedecheance")])] = Ignore
	if rows, left := l.Prepare(l.Fields); len(rows) != 6 || left != nil {
		t.Errorf("%d rows, left out: %+v", len(rows), left)
	}
}

// The address of a payer who is not the member lets the payer sign in as the member.
func TestAddressOfAnotherPayerIsNotTheMembersAddress(t *testing.T) {
	l := Recognise(tableOf(t, "helloasso_adhesion.csv"), generic)
	if l.Fields["Email payeur"] != "email" || l.Fields[OtherPayer] != Ignore || l.Fields["Email"] != "email" ||
		l.Fields["Parent à prévenir"] != Ignore || l.PaidByOthers != 2 {
		t.Errorf("%+v, %d paid by others", l.Fields, l.PaidByOthers)
	}
	mail, other := l.Table.at("emailpayeur"), l.Table.at(Plain(OtherPayer))
	for _, r := range l.Table.Rows {
		child := r.Number == 2 || r.Number == 3
		if (r.cell(mail) == "") != child || (r.cell(other) == "helene.martin@example.org") != child {
			t.Errorf("row %d: payer %q, other payer %q", r.Number, r.cell(mail), r.cell(other))
		}
	}
}

func TestOnlyTheLatestValidOrderOfAPersonIsRead(t *testing.T) {
	l := Recognise(tableOf(t, "helloasso_adhesion.csv"), none)
	rows, left := l.Prepare(l.Fields)
	var numbers []int
	for _, r := range rows {
		numbers = append(numbers, r.Number)
	}
	if !slices.Equal(numbers, []int{2, 3, 6, 8}) {
		t.Errorf("rows %v", numbers)
	}
	want := []Left{{4, NotValid, "Annulé"}, {5, Repeated, ""}, {7, NotValid, "Remboursé"}}
	if !slices.Equal(left, want) {
		t.Errorf("left out: %+v, want %+v", left, want)
	}
	// An order without a status counts as not valid.
	l.Table.Rows[0].Cells = slices.Clone(l.Table.Rows[0].Cells)
	l.Table.Rows[0].Cells[2] = ""
	if _, left := l.Prepare(l.Fields); len(left) != 4 {
		t.Errorf("an order without a status is read: %+v", left)
	}
}

func TestOrderDates(t *testing.T) {
	day := time.Date(2026, 9, 2, 0, 0, 0, 0, time.UTC)
	for cell, want := range map[string]time.Time{"02/09/2026": day,
		"02/09/2026 18:40": day.Add(18*time.Hour + 40*time.Minute),
		"46267":            day, "46267,5": {}, "": {}, "soon": {}, "1e300": {}, "NaN": {}} {
		if got := orderDate(cell); !got.Equal(want) {
			t.Errorf("%q is %v, want %v", cell, got, want)
		}
	}
}

func TestNoSubscriptionIsNoMembership(t *testing.T) {
	table := fabManager()
	table.Rows = []Row{{2, []string{"7", "", "Roux", "Inès", "ines@example.org", "", "", "", "An", "46000", "Laser\nCNC"}},
		{3, []string{"8", "", "Sans", "Rien", "rien@example.org", "", "", "", "Sans Abonnement"}}, {4, nil}}
	l := Recognise(table, none)
	rows, left := l.Prepare(l.Fields)
	if len(rows) != 1 || rows[0].Cells[0] != "fab-manager:7" || len(left) != 2 || table.Rows[0].Cells[0] != "7" {
		t.Errorf("%+v, left out %+v", rows, left)
	}
}

// FuzzRecognise reads a table in which each line is a row, with cells separated by "|".
func FuzzRecognise(f *testing.F) {
	for _, name := range []string{"galette_fr.csv", "helloasso_adhesion.csv", "excel_cp1252.csv"} {
		t := tableOf(f, name)
		text := strings.Join(t.Header, "|")
		for _, r := range t.Rows {
			text += "\n" + strings.Join(r.Cells, "|")
		}
		f.Add(text, false)
	}
	f.Add(strings.Join(fabManager().Header, "|")+"\n1|2|a", true)
	f.Add("Identifiant unique|Date de fin d'adhésion|Identifiant unique\nx", true)
	f.Fuzz(func(t *testing.T, text string, xlsx bool) {
		lines := strings.Split(text, "\n")
		table := Table{XLSX: xlsx, Separator: ';', Header: strings.Split(lines[0], "|")}
		for i, line := range lines[1:] {
			table.Rows = append(table.Rows, Row{i + 2, strings.Split(line, "|")})
		}
		l := Recognise(table, generic)
		if again := Recognise(table, generic); !reflect.DeepEqual(l, again) {
			t.Fatalf("two answers: %+v, %+v", l, again)
		}
		if (l.Program == "") != (len(l.Why) == 0) || len(l.Table.Rows) != len(table.Rows) {
			t.Fatalf("%q because of %+v, %d of %d rows", l.Program, l.Why, len(l.Table.Rows), len(table.Rows))
		}
		rows, left := l.Prepare(l.Fields)
		seen := map[int]int{}
		for _, r := range rows {
			seen[r.Number]++
		}
		for _, x := range left {
			seen[x.Row]++
			if x.Why == "" {
				t.Fatalf("row %d is left out without a reason", x.Row)
			}
		}
		for _, r := range table.Rows {
			if seen[r.Number] != 1 {
				t.Fatalf("row %d stands %d times among the rows and those left out", r.Number, seen[r.Number])
			}
		}
	})
}
