package directory

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"portillon/policy"
)

// checkList fails the test if a list breaks a guarantee on which callers of readList rely.
func checkList(t *testing.T, l *list, err error) {
	if err != nil {
		if f := invalid(err); len(f) == 0 || len(f) > maxFaults+20 {
			t.Fatalf("no fault that somebody could mend: %v", err)
		}
		for _, f := range invalid(err) {
			if f.Wrong == "" || len(f.Given) > 400 || !utf8.ValidString(f.Given) {
				t.Fatalf("%+v", f)
			}
		}
		return
	}
	ids, cards := map[policy.MemberID]bool{}, map[string]bool{}
	for _, r := range l.rows {
		if r.Name == "" || !isPlain(r.Name) || !isPlain(r.Note) || r.ID != "" && (!isSlug(string(r.ID)) || ids[r.ID]) ||
			r.Until != (policy.Date{}) && !isDay(r.Until) {
			t.Fatalf("%+v", r.Member)
		}
		ids[r.ID] = r.ID != ""
		for _, c := range r.Cards {
			if cards[c.Number] || c.Number == "" {
				t.Fatalf("a card stands twice, or has no number")
			}
			cards[c.Number] = true
		}
	}
}

func FuzzReadList(f *testing.F) {
	f.Add("a.csv", []byte(french))
	f.Add("a.csv", cp1252(f, french))
	f.Add("a.csv", utf16(f, french))
	f.Add("a.csv", []byte("sep=;\nname;card\nA;6,2E+30\n"))
	f.Add("a.csv", []byte("name,email\n\"A\nB\",x@example.org\n"))
	f.Add("a.csv", []byte("id;nom;prénom;actif\nm-1;'=A;B;oui\n"))
	for _, name := range []string{"galette_fr.csv", "helloasso_adhesion.csv", "excel_cp1252.csv"} {
		f.Add("a.csv", fixture(f, name))
	}
	f.Add("members.yaml", []byte("portillon: 1\nmembers:\n  - { id: m-a, name: A, cards: [\"AABBCCDD\"] }\n"))
	if b, err := os.ReadFile(example + "/members.yaml"); err == nil {
		f.Add("members.yaml", b)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		l, err := readList(Import{Name: name, Data: data}, time.UTC)
		checkList(t, l, err)
		if err != nil || l.format == "members.yaml" {
			return
		}
		pl := &plan{source: "list"}
		x := &index{byID: map[policy.MemberID]*entry{}}
		if err := pl.make(x, l.rows, nil, nil); err != nil {
			checkList(t, nil, err)
		} else if len(pl.Added) != len(l.rows) {
			t.Fatalf("%d rows, %d members", len(l.rows), len(pl.Added))
		}
	})
}

func FuzzReadXLSX(f *testing.F) {
	good := book(f, []any{"Nom", "Échéance", "Carte"}, []any{"A", time.Date(2027, 9, 30, 0, 0, 0, 0, time.UTC),
		"AABBCCDD"})
	f.Add(good)
	f.Add(fabManagerBook(f))
	f.Add(assoConnectBook(f))
	f.Add(zipOfFiles(f, map[string][]byte{"xl/workbook.xml": []byte("<workbook/>"),
		"[Content_Types].xml": []byte("<Types/>")}))
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := readList(Import{Name: "a.xlsx", Data: data}, time.UTC)
		checkList(t, l, err)
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add("a.zip", zipOfFiles(f, map[string][]byte{"badges/a.json": []byte("{}"), "../../etc/passwd": []byte("x")}))
	f.Add("a.zip", zipOfEqualFiles(f, 2, 10, []byte("0123456789")))
	f.Add("a.json", []byte("{}"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		files, err := unpack(name, data)
		if err != nil {
			checkList(t, nil, err)
			return
		}
		total := 0
		for _, u := range files {
			total += len(u.data)
			n := fileName(u)
			if !strings.HasPrefix(n, "badges/") || strings.Contains(n, "/..") || strings.Contains(n, "//") ||
				strings.HasSuffix(n, "/") || strings.ContainsAny(n, "\\\x00") ||
				strings.Contains(n, "/.") || strings.Count(n, "/") > 4 {
				t.Fatalf("%q becomes the file %q", u.name, n)
			}
		}
		if isZIP(data) && total > maxUnpacked || len(files) > maxFiles {
			t.Fatalf("%d files, %d bytes", len(files), total)
		}
	})
}

// The limits apply to the unpacked size of a workbook, whatever sizes its ZIP declares.
func TestWorkbookBombsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"grows":          {zipOfEqualFiles(t, 1, 4<<20, make([]byte, 4<<20)), "times its size"},
		"lies":           {zipOfEqualFiles(t, 1, 10, make([]byte, 4<<20)), "unpack"},
		"no workbook":    {zipOfFiles(t, map[string][]byte{"a.txt": []byte("x")}), "no sheet|cannot be read"},
		"too large":      {append([]byte("PK\x03\x04"), make([]byte, maxBook)...), "bytes"},
		"too many parts": {zipOfEqualFiles(t, maxBookFiles+1, 1, []byte("x")), "parts"},
	} {
		_, err := readList(Import{Name: "a.xlsx", Data: c.data}, time.UTC)
		f := invalid(err)
		ok := false
		for want := range strings.SplitSeq(c.want, "|") {
			ok = ok || len(f) == 1 && strings.Contains(f[0].Wrong, want)
		}
		if !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := &table{}
	for i := range maxRows + 1 {
		if err := many.add(i, []string{"x"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := many.add(maxRows+1, []string{"x"}); err == nil {
		t.Error("a list has no end")
	}
	if _, err := readCSV(bytes.Repeat([]byte("a;"), 200)); err == nil {
		t.Error("a row has no end")
	}
}
