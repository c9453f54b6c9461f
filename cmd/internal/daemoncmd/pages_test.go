package daemoncmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const wiringPages = "../../../firmware-config/"

// wiringPage contains the parts of the wiring page in one language that must equal those of the page in the other
// language.
type wiringPage struct {
	name, text string
	headings   []string   // level and number of each heading, such as "## 3."
	anchors    []string   // anchors that GitHub generates from the headings
	links      []string   // links to headings of the same page
	drawings   []string   // drawings in the order in which the page shows them
	commands   []string   // lines of code blocks
	code       []string   // texts between backquotes, sorted
	acceptance []string   // ids of the acceptance steps that the page marks
	figures    []string   // marks of figures that another test calculates
	tables     [][]string // number of cells in every row of the tables
	dangers    [][]string // rows of the table in section 2
}

var (
	headingOf  = regexp.MustCompile(`(?m)^(#+) ((?:\d+(?:\.\d+)?\.?)?)(.*)$`)
	imageOf    = regexp.MustCompile(`!\[([^]]*)\]\(([a-z-]+\.svg)\)`)
	anchorOf   = regexp.MustCompile(`\]\(#([^)]*)\)`)
	acceptOf   = regexp.MustCompile(`<!-- acceptance:([a-z-]+) -->`)
	figureOf   = regexp.MustCompile(`<!-- figure: ([a-z ]+) -->`)
	blockOf    = regexp.MustCompile("(?s)```sh\n(.*?)```\n")
	spanOf     = regexp.MustCompile("`([^`\n]+)`")
	notInASlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	commentOf  = regexp.MustCompile(`<!--.*?-->`)
	numberOf   = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
	columnRule = regexp.MustCompile(`^\|[-|]+\|$`)
)

func readWiringPage(t *testing.T, name string) (p wiringPage) {
	t.Helper()
	b, err := os.ReadFile(wiringPages + name)
	if err != nil {
		t.Fatal(err)
	}
	p.name, p.text = name, string(b)
	for _, m := range headingOf.FindAllStringSubmatch(p.text, -1) {
		p.headings = append(p.headings, m[1]+" "+m[2])
		title := strings.ToLower(strings.TrimSpace(m[2] + m[3]))
		p.anchors = append(p.anchors, strings.ReplaceAll(notInASlug.ReplaceAllString(title, ""), " ", "-"))
		if strings.TrimSpace(m[3]) == "" {
			t.Errorf("%s: heading %s has no title", name, m[2])
		}
	}
	first := func(re *regexp.Regexp, n int) (out []string) {
		for _, m := range re.FindAllStringSubmatch(p.text, -1) {
			out = append(out, m[n])
		}
		return out
	}
	p.links, p.drawings, p.acceptance, p.figures = first(
		anchorOf,
		1,
	), first(
		imageOf,
		2,
	), first(
		acceptOf,
		1,
	), first(
		figureOf,
		1,
	)
	p.commands = strings.Split(strings.Join(first(blockOf, 1), ""), "\n")
	p.code = first(spanOf, 1)
	slices.Sort(p.code)
	section, head := "", false
	for _, line := range strings.Split(p.text, "\n") {
		if m := headingOf.FindStringSubmatch(line); m != nil {
			section, head = m[2], true
		}
		if !strings.HasPrefix(line, "|") || columnRule.MatchString(line) {
			continue
		}
		cells := strings.Split(strings.Trim(commentOf.ReplaceAllString(line, ""), "| "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		p.tables = append(p.tables, cells)
		if section == "2." && !head {
			p.dangers = append(p.dangers, cells)
		}
		head = false
	}
	return p
}

// numbers returns the numbers in each section, sorted. By comparing these numbers, the test finds a figure that was
// changed on only one of the two pages.
func (p wiringPage) numbers() (out []string) {
	for n, section := range regexp.MustCompile(`(?m)^#+ `).Split(commentOf.ReplaceAllString(p.text, ""), -1) {
		found := numberOf.FindAllString(section, -1)
		for i, s := range found {
			found[i] = strings.ReplaceAll(s, ",", ".")
		}
		slices.Sort(found)
		out = append(out, fmt.Sprintf("%d: %s", n, strings.Join(found, " ")))
	}
	return out
}

func bothWiringPages(t *testing.T) (english, french wiringPage) {
	t.Helper()
	return readWiringPage(t, "README.md"), readWiringPage(t, "LISEZMOI.md")
}

// Some people build a machine from the French page and others from the English page, so both pages must have the same
// content.
func TestFrenchAndEnglishWiringPagesHaveTheSameContent(t *testing.T) {
	en, fr := bothWiringPages(t)
	for _, x := range []struct {
		what   string
		en, fr []string
		least  int
	}{{"headings", en.headings, fr.headings, 30}, {"drawings", en.drawings, fr.drawings, 8},
		{"commands", en.commands, fr.commands, 9}, {"code", en.code, fr.code, 70},
		{"acceptance steps", en.acceptance, fr.acceptance, 20}, {"marked figures", en.figures, fr.figures, 5},
		{"numbers", en.numbers(), fr.numbers(), 30}} {
		if len(x.en) < x.least {
			t.Errorf("README.md has only %d %s", len(x.en), x.what)
		}
		for i := range max(len(x.en), len(x.fr)) {
			if i >= len(x.en) || i >= len(x.fr) || x.en[i] != x.fr[i] {
				t.Errorf(
					"%s differ from number %d on:\nREADME.md   %.200q\nLISEZMOI.md %.200q",
					x.what,
					i,
					x.en[min(i, len(x.en)):],
					x.fr[min(i, len(x.fr)):],
				)
				break
			}
		}
	}
	if e, f := strings.Count(en.text, "(check)"), strings.Count(fr.text, "(à vérifier)"); e != f {
		t.Errorf("%d × (check), %d × (à vérifier)", e, f)
	}
	for _, x := range []struct{ page, other wiringPage }{{en, fr}, {fr, en}} {
		if head, _, _ := strings.Cut(x.page.text, "\n\n!["); !strings.Contains(head, "]("+x.other.name+")") {
			t.Errorf("%s does not link to %s at its top", x.page.name, x.other.name)
		}
	}
}

// Each row about a danger says in full sentences what happens, who is in danger, and what to do.
func TestEveryDangerSaysWhatHappensAndWhatToDo(t *testing.T) {
	en, fr := bothWiringPages(t)
	if len(en.tables) != len(fr.tables) {
		t.Fatalf("%d table rows in English, %d in French", len(en.tables), len(fr.tables))
	}
	for i, row := range en.tables {
		other := fr.tables[i]
		if len(row) != len(other) {
			t.Errorf("%d cells in English, %d in French: %q, %q", len(row), len(other), row, other)
		}
		for _, cells := range [][]string{row, other} {
			if slices.Contains(cells, "") {
				t.Errorf("an empty cell: %q", cells)
			}
		}
	}
	for _, p := range []wiringPage{en, fr} {
		if len(p.dangers) < 21 {
			t.Errorf("%s names only %d dangers", p.name, len(p.dangers))
		}
		for _, cells := range p.dangers {
			if len(cells) != 3 || len(cells[0]) < 15 || !strings.HasSuffix(cells[1], ".") || !strings.HasSuffix(cells[2], ".") {
				t.Errorf("%s: a danger that is not told in sentences: %q", p.name, cells)
			}
		}
	}
}

func TestEachLinkOfTheWiringPagesHasATarget(t *testing.T) {
	files, _ := filepath.Glob(wiringPages + "*.svg")
	en, fr := bothWiringPages(t)
	for _, p := range []wiringPage{en, fr} {
		for _, l := range p.links {
			if !slices.Contains(p.anchors, l) {
				t.Errorf("%s has no heading #%s", p.name, l)
			}
		}
		for _, f := range files {
			if !slices.Contains(p.drawings, filepath.Base(f)) {
				t.Errorf("%s does not show %s", p.name, filepath.Base(f))
			}
		}
	}
}

// Each drawing and file that a page shows or links to exists, and each drawing is shown on both pages.
func TestDrawingsOfTheWiringPagesExistAndAppearOnBothPages(t *testing.T) {
	shown := regexp.MustCompile(`!\[[^]]*\]\(([^)]*)\)`)
	linked := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	named := regexp.MustCompile(`[a-z-]+\.svg`)
	files, _ := filepath.Glob(wiringPages + "*.svg")
	if len(files) < 9 {
		t.Fatalf("%d drawings found, want at least 9", len(files))
	}
	exists := func(page, file string) {
		if _, err := os.Stat(wiringPages + file); err != nil {
			t.Errorf("%s names %s: %v", page, file, err)
		}
	}
	for _, name := range []string{"README.md", "LISEZMOI.md"} {
		p := readWiringPage(t, name)
		times := map[string]int{}
		for _, m := range shown.FindAllStringSubmatch(p.text, -1) {
			times[m[1]]++
		}
		for _, f := range files {
			if n := times[filepath.Base(f)]; n != 1 {
				t.Errorf("%s shows %s %d times, want once", name, filepath.Base(f), n)
			}
		}
		if len(times) != len(files) {
			t.Errorf("%s shows %d drawings, %d exist", name, len(times), len(files))
		}
		for _, m := range linked.FindAllStringSubmatch(p.text, -1) {
			exists(name, m[1])
		}
	}
	for _, f := range files { // also accept a drawing to which another drawing refers
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range named.FindAllString(string(b), -1) {
			exists(filepath.Base(f), other)
		}
	}
}

// The list has all steps that portillon setup uses, under the step ids that setup and the pages share.
func TestWiringPagesListEveryAcceptanceStep(t *testing.T) {
	en, _ := bothWiringPages(t)
	want := strings.Fields(
		"supply-without-pi boot switch-left-on tap tap-again e-stop e-stop-wire daemon-killed daemon-stopped guard-killed " +
			"pi-unplugged " +
			"pi-halted reader-unplugged door lid-without-portillon feedback-wire contactor-held busy exhaust isolation",
	)
	if !slices.Equal(en.acceptance, want) {
		t.Errorf("the list has %q, want %q", en.acceptance, want)
	}
	for _, line := range strings.Split(en.text, "\n") {
		if n := len(acceptOf.FindAllString(line, -1)); n > 1 || n == 1 && !strings.HasPrefix(line, "- ") {
			t.Errorf("a step is not one line of the list: %s", line)
		}
	}
}
