package openbadge

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder creates a folder with files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tokenOf(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestDirectoryFindsDocuments(t *testing.T) {
	inPlain, vc := tokenOf(
		`{"id":"https://lab.example/3"}`,
	)+"\n", tokenOf(
		`{"iss":"x","vc":{"id":"https://lab.example/4"}}`,
	)
	dir := folder(t, map[string]string{
		"index.json": `{"https://lab.example/keys":"keys.json","https://lab.example/gone":{"gone":true},"http://` +
			`old.example/?a=1#b":"deep/er/old","https://lab.example/both":"deep/both"}`,
		"keys.json": `{"keys":[]}`, "deep/er/old": "any bytes", "deep/both": "the index", "lab.example/both": "the path",
		"lab.example/.well-known/did.json": `{"id":"did:web:lab.example"}`,
		"lab.example:8443/1":               "port",
		"lab.example/2":                    "path",
		"two.json":                         `{"id":"https://lab.example/2"}`,
		"five.json":                        `{"id":"https://lab.example/5?a=1"}`,
		"list.json":                        `{"id":"https://lab.example/deep"}`,
		"lab.example/deep/6":               "six",
		"three.jwt":                        inPlain, "four.jwt": vc,
		"notes.txt": "nobody reads this", "sub/broken.json": "{",
	})
	d, err := OpenDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"https://lab.example/keys":                 `{"keys":[]}`,
		"http://old.example/?a=1#b":                "any bytes",
		"https://lab.example/both":                 "the index",
		"https://lab.example/.well-known/did.json": `{"id":"did:web:lab.example"}`,
		"https://lab.example:8443/1":               "port",
		"https://lab.example/2":                    "path",
		"https://lab.example/3":                    inPlain,
		"https://lab.example/4":                    vc,
		"https://lab.example/5?a=1":                `{"id":"https://lab.example/5?a=1"}`,
		// the folder contains a subfolder with the same name as this file
		"https://lab.example/deep":   `{"id":"https://lab.example/deep"}`,
		"https://lab.example/deep/6": "six",
	} {
		if got, err := d.Resolve(url); string(got) != want {
			t.Errorf("%s: %q %v, want %q", url, got, err, want)
		}
	}
	if _, err := d.Resolve("https://lab.example/gone"); !errors.Is(err, ErrGone) {
		t.Errorf("gone: %v", err)
	}
}

// The URLs of this test must be unreachable: none may select a file outside the folder.
func TestDirectoryReadsNothingOutsideTheFolder(t *testing.T) {
	dir := folder(t, map[string]string{"lab.example/1": "one", "lab.example/a b": "b", "x/y": "z", "secret": "s"})
	outside := folder(t, map[string]string{"secret": "not yours"})
	for name, to := range map[string]string{
		"away":    filepath.Join(outside, "secret"),
		"up":      "../../" + filepath.Base(outside) + "/secret",
		"folder":  outside,
		"nowhere": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(dir, "lab.example", name)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := OpenDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	var zero Directory
	for _, url := range []string{"https://lab.example/2", "https://lab.example", "https://lab.example/",
		"https://lab.example/1/", "https://lab.example//1",
		"https://lab.example/../secret",
		"https://lab.example/./1",
		"https://lab.example/%2e%2e/secret",
		"https://lab.example/a%20b",
		"https://lab.example/1?a",
		"https://lab.example/1#a",
		"https://../secret",
		"https://x/../secret",
		"https://lab.example/..\\secret",
		"https://me@lab.example/1",
		"http://lab.example/1",
		"file:///etc/passwd",
		"lab.example/1",
		"secret",
		"",
		"https://lab.example/away", "https://lab.example/up", "https://lab.example/folder/secret",
		"https://lab.example/nowhere", "https://lab.example/\x00", "https://lab.example/" + strings.Repeat("a", 5000)} {
		for _, r := range []Resolver{d, &zero} {
			if b, err := r.Resolve(url); err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrGone) || b != nil {
				t.Errorf("%.60q: %q %v", url, b, err)
			}
		}
	}
	if _, err := zero.Resolve("https://lab.example/1"); err != errNotHere {
		t.Errorf("the zero Directory returned %v", err)
	}
	if b, err := d.Resolve("https://lab.example/1"); string(b) != "one" {
		t.Errorf("%q %v", b, err)
	}
}

func TestErrorNamesTheUnreadableFile(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no JSON": {map[string]string{"a.json": "{"}, "a.json: malformed"},
		"no id":   {map[string]string{"a.json": `{"keys":[]}`}, "a.json: document has no id"},
		"one id twice": {
			map[string]string{"a.json": `{"id":"x:1"}`, "b.json": `{"id":"x:1"}`},
			"b.json: document has the same id as a.json",
		},
		"no token":          {map[string]string{"a.jwt": "a.!.c"}, "a.jwt: invalid JWT"},
		"too large":         {map[string]string{"a.json": strings.Repeat(" ", MaxListBytes+1)}, "a.json: document has more"},
		"an index of none":  {map[string]string{"index.json": `[]`}, "index.json: malformed"},
		"an index of words": {map[string]string{"index.json": `{"laser":"x"}`}, `index.json: "laser": invalid URL`},
		"a file not there": {
			map[string]string{"index.json": `{"https://lab.example/1":"x"}`},
			`index.json: "https://lab.example/1": statat x`,
		},
		"a file outside": {
			map[string]string{"index.json": `{"https://lab.example/1":"../x"}`},
			`index.json: "https://lab.example/1": invalid entry, want the path`,
		},
		"a folder": {
			map[string]string{"index.json": `{"https://lab.example/1":"x"}`, "x/y": ""},
			`index.json: "https://lab.example/1": document is not a regular file`,
		},
		"gone, or nearly": {map[string]string{"index.json": `{"https://lab.example/1":{"gone":false}}`}, `want the path`},
		"gone and something": {
			map[string]string{"index.json": `{"https://lab.example/1":{"gone":true,"file":"x"}}`},
			`want the path`,
		},
	} {
		d, err := OpenDirectory(folder(t, c.files))
		if d != nil || !strings.Contains(errText(err), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if d, err := OpenDirectory(filepath.Join(t.TempDir(), "nowhere")); d != nil || err == nil {
		t.Error("OpenDirectory opened a missing folder")
	}
}

func TestDirectoryRejectsLargeFiles(t *testing.T) {
	d, err := OpenDirectory(
		folder(
			t,
			map[string]string{
				"lab.example/1": strings.Repeat("a", MaxListBytes+1),
				"lab.example/2": strings.Repeat("a", MaxListBytes),
			},
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := d.Resolve("https://lab.example/1"); b != nil || err == nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	if b, err := d.Resolve("https://lab.example/2"); len(b) != MaxListBytes || err != nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

// The folder of this test contains 1EdTech's hosted documents, each at the path host/path of its id. The index names
// the documents with http ids, and one document whose id differs from its URL.
func TestDirectoryServesTheDocumentsOf1EdTech(t *testing.T) {
	assets := shared(t, strings.TrimSuffix(inspector, "ob30")+"ob20/assets")
	paths, err := filepath.Glob(filepath.Join(assets, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	files, index, ids := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, p := range paths {
		name, text := "example.org/"+filepath.Base(p), file(t, p)
		files[name] = string(text)
		if id, err := idOf(text); err == nil {
			ids[id] = true
			if id != "https://"+name {
				index[id] = name
			}
		}
	}
	b, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	files[indexFile] = string(b)
	d, err := OpenDirectory(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	for id := range ids {
		got, err := d.Resolve(id)
		if found, _ := idOf(got); err != nil || found != id {
			t.Errorf("%s: %q %v", id, found, err)
		}
	}
	t.Logf("%d of %d ids are found, %d of them by the index", len(ids), len(ids), len(index))
	if len(ids) < 25 {
		t.Errorf("only %d ids", len(ids))
	}
}

// OpenDirectory must read or reject every index, and no URL may select a file outside the folder.
func FuzzDirectory(f *testing.F) {
	f.Add([]byte(`{"https://lab.example/1":"a","https://lab.example/2":{"gone":true}}`), "https://lab.example/1")
	f.Add([]byte(`{"https://lab.example/1":"../a"}`), "https://a/../../a")
	f.Add([]byte(`{}`), "https://lab.example/%2e%2e/a")
	dir := folder(f, map[string]string{"in/a": "inside", "in/b.json": `{"id":"x:1"}`, "a": "outside", "b/a": "outside"})
	f.Fuzz(func(t *testing.T, index []byte, url string) {
		in := filepath.Join(dir, "in")
		if err := os.WriteFile(filepath.Join(in, indexFile), index, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := OpenDirectory(in)
		if err != nil {
			return
		}
		if b, err := d.Resolve(url); err == nil && string(b) == "outside" {
			t.Fatalf("%q with %q", url, index)
		}
	})
}
