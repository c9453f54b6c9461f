package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"portillon/hub/fault"
	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
)

// Fields returns the names of the fields that Import.Mapping can assign to a column.
func Fields() []string {
	return []string{"id", "external_id", "name", "first", "last", "email", "language", "until", "card", "subject",
		"guardian", "blocked", "active", "note"}
}

// headers contains the known column names of each field, in French and English, in the form that plainHeader returns.
// Spreadsheets and French association software use these names in exports.
var headers = map[string][]string{
	"id": {"id", "memberid", "idmembre", "identifiant", "pseudonyme", "pseudonym"},
	"external_id": {"externalid", "idexterne", "identifiantexterne", "reference", "membernumber", "membershipnumber",
		"numeroadherent",
		"numeroadherente", "numadherent", "nadherent", "numero", "number", "numerodadherent", "numerodemembre"},
	"name": {"name", "nom", "fullname", "nomcomplet", "member", "membre", "adherent", "nometprenom", "nomprenom",
		"prenomnom", "prenometnom", "displayname"},
	"first": {"firstname", "prenom", "givenname", "forename", "first", "prenomadherent"},
	"last":  {"lastname", "surname", "familyname", "nomdefamille", "last", "nomadherent"},
	"email": {"email", "emails", "mail", "emailaddress", "courriel", "courriels", "mel", "adressemail", "adresseemail",
		"adressecourriel",
		"adresseelectronique", "courrierelectronique", "emailadherent"},
	"language": {"language", "lang", "langue", "locale"},
	"until": {"until", "end", "enddate", "membershipend", "expires", "expiry", "expirydate", "expirationdate",
		"validuntil", "echeance", "datedecheance",
		"fin", "datedefin", "findadhesion", "finadhesion", "finabonnement", "datedefindadhesion", "subscriptionenddate",
		"valablejusquau", "jusquau"},
	"card": {"card", "cards", "carte", "cartes", "cardnumber", "numerodecarte", "ncarte", "rfid", "badgerfid",
		"carterfid", "rfidcard", "uid", "carduid",
		"uidcarte", "nfc", "tag", "rfidtag", "tagrfid"},
	"subject": {"subject", "subjects", "did", "sujet", "sujets"},
	"guardian": {"guardian", "guardians", "guardianemail", "parent", "emailparent", "parentemail", "tuteur",
		"responsable", "responsablelegal", "emailresponsable", "emailduresponsable", "courrielresponsable"},
	"blocked": {"blocked", "suspended", "bloque", "bloquee", "suspendu", "suspendue"},
	"active":  {"active", "actif", "active2", "compte", "compteactif", "enabled"},
	"note":    {"note", "notes", "remarque", "remarques", "commentaire", "commentaires", "comment", "comments"},
}

// plainHeader returns a header in lower case without accents, blanks and signs: "N° d'adhérent" becomes "ndadherent".
func plainHeader(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, foldText(s))
}

// fieldOf returns the field for a column header: the field in mapping or, if there is none, the field that has the
// header among its known names; empty: the header is unknown.
func fieldOf(header string, mapping map[string]string) string {
	if f, ok := mapping[header]; ok {
		if f == "-" {
			return ""
		}
		return f
	}
	plain := plainHeader(header)
	for _, f := range Fields() {
		if slices.Contains(headers[f], plain) {
			return f
		}
	}
	return ""
}

// column is one column of the list, with the field into which the import reads its cells.
type column struct {
	at     int
	header string
	field  string
}

// columnsOf reads the header row. columnsOf returns the columns to read, and the headers that it ignored. The error is
// *fault.Invalid if mapping names a field that does not exist, if a field has two columns, or if no column contains
// names.
func (t *table) columnsOf(mapping map[string]string) (cols []column, ignored []string, err error) {
	head := t.rows[0]
	seen := map[string]string{}
	var faults []fault.Field
	for f, to := range mapping {
		if to != "-" && !slices.Contains(Fields(), to) {
			faults = append(faults, fault.Field{Row: head.number, Field: clip(f, 100), Given: clip(to, 100),
				Wrong: "unknown field", Right: strings.Join(Fields(), ", ") + ", or - for none"})
		}
	}
	cols, ignored, twice := readHeader(head, mapping, seen)
	faults = append(faults, twice...)
	cols = familyNames(cols, seen)
	if seen["name"] == "" && seen["last"] == "" && seen["first"] == "" && seen["id"] == "" && seen["external_id"] == "" {
		faults = append(faults, fault.Field{Row: head.number, Field: "header", Given: clip(strings.Join(head.cells,
			" | "), 300),
			Wrong: "no column is a name", Right: "a first row of column names: name or nom, email or courriel, card or carte, " +
				"until or échéance"})
	}
	if len(faults) > 0 {
		return nil, nil, &fault.Invalid{Faults: faults}
	}
	return cols, ignored, nil
}

// readHeader reads the cells of the header row, and stores the header of each field in seen. Only addresses, cards,
// guardians and subjects may have several columns.
func readHeader(head tableRow, mapping, seen map[string]string) (cols []column, ignored []string,
	faults []fault.Field) {
	for i, h := range head.cells {
		if h = strings.TrimSpace(h); h == "" {
			continue
		}
		f := fieldOf(h, mapping)
		if f == "" {
			ignored = append(ignored, clip(h, 100))
			continue
		}
		if other, twice := seen[f]; twice && f != "email" && f != "card" && f != "guardian" && f != "subject" {
			faults = append(faults, fault.Field{Row: head.number, Field: clip(h, 100),
				Wrong: fmt.Sprintf("the column %q is read as %s already", other, f),
				Right: "say which column is which"})
			continue
		}
		seen[f] = h
		cols = append(cols, column{i, h, f})
	}
	return cols, ignored, faults
}

// familyNames changes the field of a column "Nom" to the family name if the list also has a column of first names, as
// French lists do.
func familyNames(cols []column, seen map[string]string) []column {
	if _, first := seen["first"]; !first {
		return cols
	}
	for i := range cols {
		if _, last := seen["last"]; cols[i].field == "name" && !last {
			cols[i].field, seen["last"] = "last", cols[i].header
			delete(seen, "name")
		}
	}
	return cols
}

// members reads all rows below the header. members returns *fault.Invalid with the faults of all rows, at most
// maxFaults. An id, external id or card that is in two rows is also a fault.
func (t *table) members(mapping map[string]string) (*list, error) {
	if len(t.rows) == 0 {
		return nil, wrongFile("the list has no row", "a first row with the names of the columns, then a row for each member")
	}
	cols, ignored, err := t.columnsOf(mapping)
	if err != nil {
		return nil, err
	}
	out := &list{format: t.format, columns: map[string]string{}, ignored: ignored}
	for _, c := range cols {
		out.columns[c.header] = c.field
	}
	var faults []fault.Field
	ids, external, cards := map[string]int{}, map[string]int{}, map[string]int{}
	for _, row := range t.rows[1:] {
		r, bad := t.member(row, cols)
		// Report a key that is in two rows, because the rows would create two members for one person.
		once := func(seen map[string]int, key, field string) {
			if first, twice := seen[key]; twice && key != "" {
				bad = append(bad, fault.Field{Row: row.number, Field: field, Wrong: fmt.Sprintf("the value is in row %d already",
					first), Right: "one row for each member"})
			} else {
				seen[key] = row.number
			}
		}
		once(ids, string(r.ID), "id")
		once(external, r.External, "external_id")
		for _, c := range r.Cards {
			once(cards, c.Number, "card")
		}
		if faults = append(faults, bad...); len(faults) >= maxFaults {
			break
		}
		out.rows = append(out.rows, r)
	}
	if len(faults) > 0 {
		return nil, &fault.Invalid{Faults: faults[:min(len(faults), maxFaults)]}
	}
	return out, nil
}

// member reads one row. member returns the values that could be read and the faults of the row.
func (t *table) member(row tableRow, cols []column) (*listed, []fault.Field) {
	r := &listed{row: row.number, has: map[string]bool{}}
	var faults []fault.Field
	if extra := len(row.cells); extra > len(t.rows[0].cells) {
		faults = append(faults, fault.Field{Row: row.number, Field: fmt.Sprintf("column %d", extra),
			Wrong: "the row has more cells than the header",
			Right: "a cell that holds a separator stands in quotes"})
	}
	// Read each cell. After the last cell of the row, join the first name and the family name.
	var first, last string
	for _, c := range cols {
		cell := ""
		if c.at < len(row.cells) {
			cell = unquoteCell(row.cells[c.at])
		}
		switch c.field {
		case "first":
			first = cell
		case "last":
			last = cell
		default:
			faults = append(faults, r.read(c, cell, t.dates)...)
		}
	}
	if first != "" || last != "" {
		r.Name, r.has["name"] = strings.TrimSpace(first+" "+last), true
	}
	for _, f := range tidyMember(&r.Member) {
		f.Row, f.Field = row.number, headerOf(cols, f.Field)
		faults = append(faults, f)
	}
	return r, faults
}

// headerOf returns the header of the column that contains a field, so that a fault names the header that the person
// sees.
func headerOf(cols []column, field string) string {
	for _, c := range cols {
		if c.field == field || c.field == strings.TrimSuffix(field, "s") || field == "name" && c.field == "last" {
			return c.header
		}
	}
	return field
}

// read reads a cell into the member, and returns the faults of the cell. A fault quotes the cell, but never a card
// number.
func (r *listed) read(c column, cell string, dates func(float64) (time.Time, bool)) []fault.Field {
	wrong, right := r.set(c.field, cell, dates)
	if wrong == "" {
		return nil
	}
	f := fault.Field{Row: r.row, Field: c.header, Wrong: wrong, Right: right}
	if c.field != "card" { // do not quote the cell, because it may contain a card number
		f.Given = clip(cell, 100)
	}
	return []fault.Field{f}
}

// unquoteCell returns a cell without surrounding blanks and without the apostrophe that withoutFormula writes before a
// formula. U+00A0 and U+202F are no-break spaces that French texts have next to signs.
func unquoteCell(cell string) string {
	cell = strings.TrimFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == '\u202f' || r == '\u00a0' })
	if len(cell) > 1 && cell[0] == '\'' && isFormula(cell[1:]) {
		return cell[1:]
	}
	return cell
}

// set reads a cell into a field of the member. If the cell cannot be read, set returns in wrong what is wrong and in
// right the expected form. The function dates converts the number that a spreadsheet stores for a date; nil: the list
// is not a spreadsheet.
func (r *listed) set(field, cell string, dates func(float64) (time.Time, bool)) (wrong, right string) {
	r.has[field] = true
	switch field {
	case "id":
		r.ID = policy.MemberID(cell)
	case "external_id":
		r.External = cell
	case "name":
		r.Name = cell
	case "language":
		return r.setLanguage(cell)
	case "email":
		r.Emails = append(r.Emails, splitAddresses(cell)...)
	case "guardian":
		r.has["guardians"] = true
		r.Guardians = append(r.Guardians, splitAddresses(cell)...)
	case "subject":
		r.Subjects = append(r.Subjects, strings.Fields(strings.ReplaceAll(cell, "|", " "))...)
	case "note":
		r.Note = cell
	case "until":
		return r.setUntil(cell, dates)
	case "blocked", "active":
		return r.setBlocked(field, cell)
	case "card":
		return r.setCards(cell)
	}
	return "", ""
}

// setBlocked reads a cell of the column "blocked", or of the column "active", which has the opposite meaning. An empty
// cell changes nothing.
func (r *listed) setBlocked(field, cell string) (wrong, right string) {
	yes, ok := parseYesNo(cell)
	switch {
	case cell == "":
		r.has[field] = false
	case !ok:
		return "neither yes nor no", "yes, no, oui, non, 1 or 0"
	default:
		r.has["blocked"], r.Blocked = true, r.Blocked || yes == (field == "blocked")
	}
	return "", ""
}

// splitAddresses returns the addresses in a cell that contains several addresses.
func splitAddresses(cell string) []string {
	return strings.FieldsFunc(cell, func(r rune) bool { return r == ',' || r == ';' || r == '|' || unicode.IsSpace(r) })
}

// setLanguage reads a language as a code or a name, such as "fr", "fr-FR" or "français". An empty cell selects the
// site's language.
func (r *listed) setLanguage(cell string) (wrong, right string) {
	word, _, _ := strings.Cut(strings.NewReplacer("_", "-").Replace(foldText(cell)), "-")
	switch word {
	case "":
	case "fr", "fra", "fre", "francais", "french":
		r.Language = "fr"
	case "en", "eng", "anglais", "english":
		r.Language = "en"
	default:
		return "unknown language", "fr, en, or nothing"
	}
	return "", ""
}

// parseYesNo parses a yes or no in French or English, as spreadsheets and people write it; ok is false for any other
// cell.
func parseYesNo(cell string) (yes, ok bool) {
	switch foldText(cell) {
	case "oui", "yes", "true", "vrai", "1", "x", "o", "y", "actif", "active":
		return true, true
	case "non", "no", "false", "faux", "0", "n", "inactif", "inactive":
		return false, true
	}
	return false, false
}

// dayMonthYear matches a date as people write it in France: the day comes first.
var dayMonthYear = regexp.MustCompile(`^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})$`)

// setUntil reads the end of the membership as 2027-09-30 or 30/09/2027, with or without a time of day, or as the number
// that a spreadsheet stores for a date. An empty cell means that the membership has no end.
func (r *listed) setUntil(cell string, dates func(float64) (time.Time, bool)) (wrong, right string) {
	const form = "2027-09-30 or 30/09/2027"
	if cell == "" {
		return "", ""
	}
	if serial, err := strconv.ParseFloat(cell, 64); err == nil && dates != nil {
		t, ok := dates(serial)
		if !ok {
			return "the number is not a date of a spreadsheet", form
		}
		r.Until = policy.DateOf(t, time.UTC)
		return "", ""
	}
	// Remove the time of day: the membership lasts until the end of the day.
	day, _, _ := strings.Cut(strings.ReplaceAll(cell, "T", " "), " ")
	var d policy.Date
	if m := dayMonthYear.FindStringSubmatch(day); m != nil {
		d.Day, _ = strconv.Atoi(m[1])
		month, _ := strconv.Atoi(m[2])
		d.Month = time.Month(month)
		d.Year, _ = strconv.Atoi(m[3])
		if month > 12 && d.Day <= 12 {
			return "the month does not exist: the day comes first here", form
		}
	} else if parsed, err := policy.ParseDate(day); err == nil {
		d = parsed
	}
	if !isDay(d) {
		return "this is no day of the calendar with a year of four digits", form
	}
	r.Until = d
	return "", ""
}

// scientific matches a number with an exponent. Spreadsheets write long numbers in this form.
var scientific = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+$`)

// setCards reads the card numbers of a cell, separated by a semicolon, | or a line feed. setCards refuses a number that
// has only the digits 0 to 9, because it could be decimal or hexadecimal.
func (r *listed) setCards(cell string) (wrong, right string) {
	if looksScientific(cell) {
		return "a spreadsheet turned this card number into a floating-point number, and its digits are lost",
			"format the column as text, then enter the number again"
	}
	for _, text := range strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == '|' || r == '\n' }) {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if strings.Trim(text, "0123456789") == "" {
			return "a card number of digits alone has two readings, and spreadsheets remove its leading zeros",
				`"dec:0012345678" as printed on cards, or "hex:12345678" as readers give it, in a column formatted as text`
		}
		number, part, err := site.ParseCardEntry(text)
		if err != nil {
			return "not a card number: " + err.Error(), rfid.CardFormats
		}
		if !slices.ContainsFunc(r.Cards, func(c Card) bool { return c.Number == number }) {
			r.Cards = append(r.Cards, Card{Number: number, Part: part, State: Active})
		}
	}
	return "", ""
}

// looksScientific reports whether a spreadsheet converted a long number to scientific notation. Such a cell contains
// a decimal sign, or a plus or minus sign in the exponent. A cell such as 62E30812, which has neither of these signs,
// is a hexadecimal number.
func looksScientific(cell string) bool {
	return scientific.MatchString(cell) && strings.ContainsAny(cell, ".,+-")
}

// isFormula reports whether a spreadsheet may evaluate a cell as a formula (OWASP, "CSV Injection").
func isFormula(cell string) bool {
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}
