package bake

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth  = 100
	maxTokens = 100_000
)

// elementOf is the element that holds a badge.
func elementOf(v Version) xml.Name {
	if v == OB3 {
		return xml.Name{Space: "https://purl.imsglobal.org/ob/v3p0", Local: "credential"} // Open Badges 3.0, «Baked Badge»
	}
	return xml.Name{Space: "http://openbadges.org", Local: "assertion"} // Open Badges 2.0, «Baking Specification»
}

var root = xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}

// element is one that holds a badge, found.
type element struct {
	start, end int // in the file
	depth      int
	name       xml.Name
	verify     []string
	body       []byte
	nested     bool // it holds elements, where only text belongs
}

// drawing is an SVG that is being read.
type drawing struct {
	image  []byte
	depth  int
	typed  bool // a DOCTYPE was there
	inside int  // the byte after the root's start tag; 0: there was no root yet
	badges []element
	open   *element // the badge that we are in
}

// scan reads an SVG from end to end.
func scan(image []byte) (*drawing, error) {
	if err := fits(image, MaxSVG); err != nil {
		return nil, err
	}
	if !utf8.Valid(image) {
		return nil, errors.New("the SVG is not UTF-8")
	}
	mark := len(image) - len(withoutMark(image))
	d := xml.NewDecoder(bytes.NewReader(image[mark:]))
	s := &drawing{image: image}
	for n := 0; ; n++ {
		start := mark + int(d.InputOffset())
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.take(t, start, mark+int(d.InputOffset()))
		}
		if err != nil {
			return nil, fmt.Errorf("the SVG cannot be read: %w", err)
		}
		if n == maxTokens {
			return nil, fmt.Errorf("%w: more than %d tokens of XML", ErrTooLarge, maxTokens)
		}
	}
	if s.inside == 0 {
		return nil, errors.New("the SVG is empty")
	}
	return s, nil
}

func (s *drawing) take(t xml.Token, start, end int) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t, start, end)
	case xml.EndElement:
		s.end(end)
	case xml.CharData:
		if s.depth == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text stands outside its element")
		}
		if s.open != nil {
			s.open.body = append(s.open.body, t...)
		}
	case xml.Directive:
		return s.directive(t)
	}
	return nil
}

// directive lets a DOCTYPE pass that names a DTD: nobody fetches it. With an internal subset a document can declare
// entities, and attributes that stand nowhere in it; a reader of the one and a reader of the other would see two
// documents.
func (s *drawing) directive(t xml.Directive) error {
	if s.typed || s.inside > 0 || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
		return errors.New("a declaration stands where none may")
	}
	if bytes.ContainsAny(t, "[<") {
		return errors.New("DOCTYPE has declarations of its own")
	}
	s.typed = true
	return nil
}

func (s *drawing) start(t xml.StartElement, start, end int) error {
	s.depth++
	switch {
	case s.depth > maxDepth:
		return fmt.Errorf("%w: nested more than %d deep", ErrTooLarge, maxDepth)
	case s.depth == 1 && s.inside > 0:
		return errors.New("something follows its end")
	case s.depth == 1 && t.Name != root:
		return fmt.Errorf("document has the root element %.60q, want svg of the SVG namespace", t.Name.Local)
	case s.depth == 1:
		s.inside = end
	case s.open != nil:
		s.open.nested = true
	case t.Name == elementOf(OB2) || t.Name == elementOf(OB3):
		s.badges = append(s.badges, element{start: start, depth: s.depth, name: t.Name})
		s.open = &s.badges[len(s.badges)-1]
		for _, a := range t.Attr {
			if a.Name == (xml.Name{Local: "verify"}) {
				s.open.verify = append(s.open.verify, strings.TrimSpace(a.Value))
			}
		}
	}
	return nil
}

func (s *drawing) end(end int) {
	if s.open != nil && s.open.depth == s.depth {
		s.open.end, s.open = end, nil
	}
	s.depth--
}

func extractSVG(image []byte) ([]byte, error) {
	s, err := scan(image)
	if err != nil {
		return nil, err
	}
	if err := one(len(s.badges)); err != nil {
		return nil, err
	}
	return s.badges[0].badge()
}

// badge is the element's text, or where that is empty what its attribute says. Open Badges 2.0 writes the URL of a
// badge beside its JSON; a token beside JSON would be a second badge.
func (e element) badge() ([]byte, error) {
	body, verify := bytes.TrimSpace(e.body), strings.Join(e.verify, "")
	switch {
	case e.nested:
		return nil, errors.New("the SVG's badge holds elements, where only text belongs")
	case len(e.verify) > 1,
		len(body) > 0 && verify != "" && (e.name == elementOf(OB3) || !strings.Contains(verify, "://")):
		return nil, ErrTwo
	case len(body) > 0:
		return body, nil
	case verify == "":
		return nil, errors.New("the SVG's badge is empty")
	}
	return []byte(verify), nil
}

// bakeSVG writes the badge as the first thing in the root, and copies all but the badges that were there.
func bakeSVG(image, payload []byte, v Version) ([]byte, error) {
	s, err := scan(image)
	if err != nil {
		return nil, err
	}
	if bytes.HasSuffix(image[:s.inside], []byte("/>")) {
		return nil, errors.New("the SVG is empty")
	}
	for _, r := range string(payload) {
		if r == 0xFFFE || r == 0xFFFF {
			return nil, fmt.Errorf("the badge holds the character %U, which XML cannot (XML 1.0, section 2.2)", r)
		}
	}
	out := append(make([]byte, 0, len(image)+len(payload)+256), image[:s.inside]...)
	out = appendElement(out, payload, elementOf(v))
	at := s.inside
	for _, e := range s.badges {
		out = append(out, image[at:e.start]...)
		at = e.end
	}
	out = append(out, image[at:]...)
	if err := fits(out, MaxSVG); err != nil {
		return nil, err
	}
	return out, nil
}

// inText writes what CDATA cannot hold: its own end, and a carriage return, which a reader would take for a line feed
// (XML 1.0, 2.11).
var inText = strings.NewReplacer("]]>", "]]]]><![CDATA[>", "\r", "]]>&#13;<![CDATA[")

func appendElement(out, payload []byte, name xml.Name) []byte {
	if isJSON(payload) {
		return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s"><![CDATA[%s]]></openbadges:%[1]s>`, name.Local,
			name.Space, inText.Replace(string(payload)))
	}
	return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s" verify="%s"/>`, name.Local, name.Space, payload)
}
