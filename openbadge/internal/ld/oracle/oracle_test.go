package oracle

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gold "github.com/piprate/json-gold/ld"

	"portillon/openbadge/internal/ld"
	"portillon/openbadge/internal/otherstest"
)

// oracle calls json-gold with the published contexts.
type oracle struct {
	api      *gold.JsonLdApi
	opts     *gold.JsonLdOptions
	contexts map[string]any           // the contexts, by address
	parsed   map[string]*gold.Context // parsed contexts; the key is the JSON text of a document's @context
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	var index map[string]struct{ File string }
	if err := json.Unmarshal(otherstest.File(t, "contexts", "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	o := &oracle{
		api:      gold.NewJsonLdApi(),
		opts:     gold.NewJsonLdOptions(""),
		contexts: map[string]any{},
		parsed:   map[string]*gold.Context{},
	}
	for url, at := range index {
		var doc any
		if err := json.Unmarshal(otherstest.File(t, "contexts", at.File), &doc); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		o.contexts[url] = doc
	}
	o.opts.DocumentLoader = o
	o.opts.SafeMode = true
	o.opts.Algorithm = gold.AlgorithmURDNA2015
	o.opts.Format = "application/n-quads"
	return o
}

// LoadDocument gives the local copies of contexts to json-gold, and makes no requests.
func (o *oracle) LoadDocument(url string) (*gold.RemoteDocument, error) {
	doc, ok := o.contexts[url]
	if !ok {
		return nil, errors.New("context is not available locally:  " + url)
	}
	return &gold.RemoteDocument{DocumentURL: url, Document: doc}, nil
}

// canonical returns the canonical N-Quads of a document without its proofs; only json-gold computes them. json-gold
// expands the document in safe mode (which Normalize lacks), converts it to statements, and canonicalises the
// statements.
func (o *oracle) canonical(data []byte) (_ string, err error) {
	defer func() {
		if r := recover(); r != nil { // json-gold 0.9.1 panics for an empty @type beside a @value (api_generate_node_map.go)
			err = fmt.Errorf("json-gold panicked: %v", r)
		}
	}()
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", err
	}
	active, err := o.context(doc["@context"])
	if err != nil {
		return "", err
	}
	delete(doc, "@context")
	delete(doc, "proof")
	expanded, err := o.api.Expand(active, "", doc, o.opts, false, nil)
	if err != nil || expanded == nil { // json-gold returns nil for a document without statements
		return "", err
	}
	dataset, err := o.api.ToRDF([]any{expanded}, o.opts)
	if err != nil {
		return "", err
	}
	text, err := o.api.Normalize(dataset, o.opts)
	if err != nil {
		return "", err
	}
	return text.(string), nil
}

// context returns the parsed @context of a document. The oracle caches the parsed contexts, because parsing takes
// most of json-gold's time.
func (o *oracle) context(v any) (*gold.Context, error) {
	key, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c, ok := o.parsed[string(key)]
	if !ok {
		if c, err = gold.NewContext(nil, o.opts).Parse(v); err != nil {
			c = nil
		}
		o.parsed[string(key)] = c
	}
	if c == nil {
		return nil, errors.New("contexts of the document conflict")
	}
	return c, nil
}

// examples contains the terms that the W3C's vectors use, whose context has a default vocabulary.
var examples = ld.Extra{"https://www.w3.org/ns/credentials/examples/v2": {
	"AlumniCredential": "https://www.w3.org/ns/credentials/examples#AlumniCredential",
	"alumniOf":         "https://www.w3.org/ns/credentials/examples#alumniOf",
}}

// ours returns the same canonical form as oracle.canonical, computed by package ld.
func ours(data []byte) (string, error) {
	words, err := ld.Parse(data)
	if err != nil {
		return "", err
	}
	doc, err := ld.OpenKnowing(words, examples)
	if err != nil {
		return "", err
	}
	text, err := doc.Canonical(crypto.SHA256)
	return string(text), err
}

// count counts the documents for each result of the comparison.
type count struct {
	equal, both, usOnly, aside int
	// number of documents that package ld rejects and json-gold accepts, by reason
	why map[string]int
}

func (c *count) String() string {
	why := ""
	for _, code := range slices.Sorted(maps.Keys(c.why)) {
		why += fmt.Sprintf(" %s %d", code, c.why[code])
	}
	return fmt.Sprintf(
		"%d compared and equal, %d refused by both, %d refused by us alone (%s), %d set aside for a known fault of json-gold",
		c.equal,
		c.both,
		c.usOnly,
		strings.TrimSpace(why),
		c.aside,
	)
}

// judge compares the results of both programs for one document, and returns their difference.
func (c *count) judge(o *oracle, doc object) string {
	data := marshal(doc)
	got, err := ours(data)
	if plain, changed := withoutControls(doc); changed && err == nil {
		data = marshal(plain)
		got, err = ours(data)
	}
	want, theirs := o.canonical(data)
	var f *ld.Fault
	switch {
	case err != nil && theirs != nil:
		c.both++
	case errors.As(err, &f):
		c.usOnly++
		c.why[f.Code]++
	case twice(doc), theirs == nil && got != want && fault(got, want):
		c.aside++
	case theirs != nil:
		return fmt.Sprintf("json-gold refuses it: %v", theirs)
	case got != want:
		return "the statements differ:\n" + diff(got, want)
	default:
		c.equal++
	}
	return ""
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the document was valid JSON before this conversion
	}
	return b
}

// twice reports whether a @context names an address twice. json-gold treats the second address as a recursion
// (ld/context.go, parse), but JSON-LD 1.1 requires that the context is processed again (context processing, step
// 5.2).
func twice(v any) bool {
	switch v := v.(type) {
	case object:
		list, _ := v["@context"].([]any)
		for i, url := range list {
			if slices.Contains(list[:i], url) {
				return true
			}
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), twice)
	case []any:
		return slices.ContainsFunc(v, twice)
	}
	return false
}

var address = regexp.MustCompile(`<(https?://[^>]*)>`)

// fault reports whether a difference is caused by a known fault of json-gold 0.9.1. First, json-gold silently omits
// statements with an http address that its own pattern does not match (ld/rdf_dataset.go, GraphToRDF), but JSON-LD 1.1
// omits only IRIs that are malformed by RFC 3987. Second, json-gold canonicalises only objects and arrays of type @json
// (ld/node.go), but JSON-LD 1.1 canonicalises any JSON. Third, json-gold repeats a statement if two values, such as
// true and "true", give the same statement, but a dataset is a set (RDF 1.1, section 4).
func fault(got, want string) bool {
	if strings.Contains(want, "JSON Canonicalization error") {
		return true
	}
	for _, m := range address.FindAllStringSubmatch(got, -1) {
		if !gold.IsURL(m[1]) {
			return true
		}
	}
	lines := strings.Split(want, "\n")
	return len(slices.Compact(lines)) < strings.Count(want, "\n")+1
}

// withoutControls replaces control characters other than tab, line feed and return by private-use characters, and
// reports whether it replaced any. RDFC-1.0 requires escapes for control characters (section 5), but json-gold 0.9.1
// writes no escapes. The W3C's vector 060 tests the escapes of package ld.
func withoutControls(v any) (any, bool) {
	changed := false
	private := func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			changed = true
			return 0xE000 + r
		}
		return r
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return strings.Map(private, v)
		case object:
			out := object{}
			for k, x := range v {
				out[k] = walk(x)
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			return out
		}
		return v
	}
	return walk(v), changed
}

func diff(got, want string) string {
	a, b := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	var out strings.Builder
	for _, l := range a {
		if !slices.Contains(b, l) {
			out.WriteString("here:  " + l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out.WriteString("there: " + l)
		}
	}
	return out.String()
}

// fixtures returns all documents of other projects that have a @context, by path: badges, endorsements, status lists,
// and the W3C's vectors.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	root := otherstest.Path(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "contexts") || strings.Contains(path, "ob20") ||
			strings.Contains(path, "validator-core") {
			return err
		}
		b, err := os.ReadFile(path)
		var doc map[string]any
		if err == nil && json.Unmarshal(b, &doc) == nil && doc["@context"] != nil {
			rel, _ := filepath.Rel(root, path)
			out[rel] = b
			maps.Copy(out, proofs(t, rel, doc))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// proofs returns the options of a document's proofs in the form that is signed: with the document's contexts and
// without the proofValue.
func proofs(t testing.TB, path string, doc map[string]any) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for i, p := range ld.List(doc["proof"]) {
		options, _ := p.(map[string]any)
		delete(options, "proofValue")
		options["@context"] = doc["@context"]
		b, err := json.Marshal(options)
		if err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("%s proof %d", path, i)] = b
	}
	return out
}

// json-gold and package ld must create the same statements for every document of other projects.
func TestDocumentsOfOtherProjectsGiveTheSameStatements(t *testing.T) {
	o, c := newOracle(t), count{why: map[string]int{}}
	all := fixtures(t)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		before := c.usOnly
		if why := c.judge(o, decode(t, all[path])); why != "" {
			t.Errorf("%s: %s", path, why)
		}
		if c.usOnly > before {
			_, err := ours(all[path])
			t.Logf("refused by us alone: %s: %v", path, err)
		}
	}
	t.Logf("%d fixtures: %s", len(all), &c)
	if c.equal < 40 {
		t.Errorf("only %d were compared", c.equal)
	}
}
