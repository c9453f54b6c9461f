package openbadge

import (
	"bytes"
	"strings"
	"testing"

	"portillon/openbadge/bake"
)

// The badges in 1EdTech's pictures must be valid if the test pins the key with which the issuer signed them.
func TestBadgesAreReadFromPictures(t *testing.T) {
	trust := []Issuer{{ID: example.ID, Keys: []string{"z6MkrvfzkMnvCroEUP2DVc9SHPE48CRsvHiVSusHioxTYu1x"}}}
	for _, format := range []string{bake.PNG, bake.SVG} {
		v := Verify(file(t, shared(t, inspector, "simple-json."+format)), Options{Trust: trust, At: today})
		if v.State != Valid || v.Baked != format || v.Form != "ob3 json" ||
			v.Badge.ID != "http://example.com/credentials/3527" {
			t.Errorf("%s: %s baked %q form %q: %s", format, v.State, v.Baked, v.Form, v.Why())
		}
	}
}

func TestIssuedBadgesAreReadFromPictures(t *testing.T) {
	k := key(t)
	for form, badge := range issued(t, k) {
		for _, path := range []string{"simple-json.png", "simple-jwt.svg"} {
			picture, err := bake.Bake(file(t, shared(t, inspector, path)), badge, bake.OB3)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today}
			if v := Verify(picture, o); v.State != Valid || v.Baked != bake.Format(picture) {
				t.Errorf("%s in %s: %s %q %s", form, path, v.State, v.Baked, v.Why())
			}
			if v := Verify(
				bytes.Replace(picture, []byte("openbadges:credential"), []byte("openbadges:assertion"), -1),
				o,
			); v.State == Valid &&
				v.Baked == bake.SVG {
				t.Errorf("%s in %s: read under a name that is no badge's", form, path)
			}
		}
	}
}

const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:o="https://purl.imsglobal.org/ob/v3p0">`

func TestUnusablePicturesAreRejected(t *testing.T) {
	svg := func(inside string) []byte { return []byte(svgHead + inside + `</svg>`) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"without a badge": {svg(""), "invalid not-an-open-badge"},
		"with two":        {svg(`<o:credential verify="a.b.c"/><o:credential verify="a.b.c"/>`), "invalid ambiguous"},
		"with entities": {
			append([]byte(`<!DOCTYPE svg [<!ENTITY a "b">]>`), svg(`<o:credential>&a;</o:credential>`)...),
			"invalid malformed",
		},
		"a page": {[]byte("<html></html>"), "invalid malformed"},
		"within a picture": {
			svg(`<o:credential><![CDATA[` + string(svg(`<o:credential>{}</o:credential>`)) + `]]></o:credential>`),
			"invalid malformed",
		},
		"with something else":   {svg(`<o:credential>GIF89a</o:credential>`), "invalid malformed"},
		"half a PNG":            {[]byte("\x89PNG\r\n\x1a\n\x00\x00"), "invalid malformed"},
		"larger than a picture": {append([]byte("\x89PNG"), make([]byte, bake.MaxBytes)...), "invalid too-complex"},
	} {
		if got := codes(Verify(c.data, Options{Trust: []Issuer{example}, At: today})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// hostilePictures returns pictures whose verification would be slow without limits.
func hostilePictures() map[string][]byte {
	svg := func(item, end string) []byte {
		n := (bake.MaxSVG - 4096) / (len(item) + len(end))
		return []byte(svgHead + strings.Repeat(item, n) + strings.Repeat(end, n) + `<o:credential verify="a.b.c"/></svg>`)
	}
	return map[string][]byte{
		"a PNG of empty chunks": append(
			[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x03\x00\x00\x00\x03\b\x00\x00\x00\x00sC\xeac"),
			bytes.Repeat([]byte("\x00\x00\x00\x00tEXt\x96B\xc5\x85"), bake.MaxBytes/12-8)...),
		"an SVG of elements":      svg(`<g/>`, ""),
		"an SVG of open elements": svg(`<g>`, "</g>"),
		"an SVG of text":          svg(`a`, ""),
		"an SVG of escapes":       svg(`&#9;`, ""),
		"an SVG of comments":      svg(`<!---->`, ""),
		"an SVG of namespaces":    svg(`<g xmlns:a="b"/>`, ""),
		"an SVG of attributes": []byte(
			strings.TrimSuffix(svgHead, ">") + strings.Repeat(` a=""`, bake.MaxSVG/5-100) + `/>`,
		),
		"an SVG of long attributes": []byte(
			strings.TrimSuffix(svgHead, ">") + strings.Repeat(` abcdefgh="ijklmnopqrstuvwxyz"`, bake.MaxSVG/31) + `/>`,
		),
		"an SVG of prefixes": []byte(
			strings.TrimSuffix(svgHead, ">") + strings.Repeat(` xmlns:a="b"`, bake.MaxSVG/12-100) + `/>`,
		),
		"an SVG with a long badge":    svg(`<o:credential>`+strings.Repeat("a", bake.MaxSVG-8192)+`</o:credential>`, ""),
		"an SVG with a long DOCTYPE":  []byte("<!DOCTYPE svg " + strings.Repeat("<", bake.MaxSVG-100)),
		"an SVG with quotes for type": []byte("<!DOCTYPE svg " + strings.Repeat("<!---->", bake.MaxSVG/7-10)),
		"a megabyte in an SVG": []byte(
			svgHead + `<o:credential>{"a":[` + strings.Repeat(`[],`, MaxBytes/3-100) + `</o:credential></svg>`,
		),
	}
}
