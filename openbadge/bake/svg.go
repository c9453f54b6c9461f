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

// Limits of an SVG: levels of elements, and XML tokens.
const (
	maxDepth  = 100
	maxTokens = 100_000
)

// elementOf returns the name of the element for badges of a version.
func elementOf(v Version) xml.Name {
	if v == OB3 {
		return xml.Name{Space: "https://purl.imsglobal.org/ob/v3p0", Local: "credential"} // Open Badges 3.0, «Baked Badge»
	}
	return xml.Name{Space: "http://openbadges.org", Local: "assertion"} // Open Badges 2.0, «Baking Specification»
}

var root = xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}

// element is an element with a badge.
type element struct {
	start, end int // byte positions in the file
	depth      int
	name       xml.Name
	verify     []string
	body       []byte
	nested     bool // the element contains other elements, which is an error
}

// drawing is the state of reading an SVG.
type drawing struct {
	image  []byte
	depth  int
	typed  bool // a DOCTYPE was read
	inside int  // byte after the root's start tag; 0: no root yet
	badges []element
	open   *element // the badge element that is being read; nil: none
}

// scan reads a whole SVG and checks its form.
func scan(image []byte) (*drawing, error) {
	if err := fits(image, MaxSVG); err != nil {
		return nil, err
	}
	if !utf8.Valid(image) {
		return nil, errors.New("SVG is not UTF-8")
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
			return nil, fmt.Errorf("cannot read the SVG: %w", err)
		}
		if n == maxTokens {
			return nil, fmt.Errorf("%w: more than %d tokens of XML", ErrTooLarge, maxTokens)
		}
	}
	if s.inside == 0 {
		return nil, errors.New("SVG is empty")
	}
	return s, nil
}

// take processes one XML token at the bytes start to end.
func (s *drawing) take(t xml.Token, start, end int) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t, start, end)
	case xml.EndElement:
		s.end(end)
	case xml.CharData:
		if s.depth == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text outside the root element")
		}
		if s.open != nil {
			s.open.body = append(s.open.body, t...)
		}
	case xml.Directive:
		return s.directive(t)
	}
	return nil
}

// directive accepts a DOCTYPE that only names a DTD, which is never fetched. An internal subset could declare entities
// and default attributes; programs with and without support for it would read two different documents.
func (s *drawing) directive(t xml.Directive) error {
	if s.typed || s.inside > 0 || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
		return errors.New("misplaced declaration")
	}
	if bytes.ContainsAny(t, "[<") {
		return errors.New("DOCTYPE has declarations, such as entities, want only the name of a DTD")
	}
	s.typed = true
	return nil
}

// start processes a start tag.
func (s *drawing) start(t xml.StartElement, start, end int) error {
	s.depth++
	switch {
	case s.depth > maxDepth:
		return fmt.Errorf("%w: nested more than %d deep", ErrTooLarge, maxDepth)
	case s.depth == 1 && s.inside > 0:
		return errors.New("trailing data after the SVG")
	case s.depth == 1 && t.Name != root:
		return fmt.Errorf("root element is %.60q, want svg", t.Name.Local)
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

// end processes an end tag.
func (s *drawing) end(end int) {
	if s.open != nil && s.open.depth == s.depth {
		s.open.end, s.open = end, nil
	}
	s.depth--
}

// extractSVG returns the only badge in an SVG.
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

// badge returns the text of the element or, if the text is empty, the attribute verify. Open Badges 2.0 writes a
// badge's URL in verify beside the JSON text, so both may be present. A token in verify beside JSON would be a second
// badge.
func (e element) badge() ([]byte, error) {
	body, verify := bytes.TrimSpace(e.body), strings.Join(e.verify, "")
	switch {
	case e.nested:
		return nil, errors.New("badge in the SVG contains elements, want only text")
	case len(e.verify) > 1,
		len(body) > 0 && verify != "" && (e.name == elementOf(OB3) || !strings.Contains(verify, "://")):
		return nil, ErrTwo
	case len(body) > 0:
		return body, nil
	case verify == "":
		return nil, errors.New("badge in the SVG is empty")
	}
	return []byte(verify), nil
}

// bakeSVG writes the badge as the first child of the root, and copies everything except existing badges.
func bakeSVG(image, payload []byte, v Version) ([]byte, error) {
	s, err := scan(image)
	if err != nil {
		return nil, err
	}
	if bytes.HasSuffix(image[:s.inside], []byte("/>")) {
		return nil, errors.New("SVG is empty")
	}
	for _, r := range string(payload) {
		if r == 0xFFFE || r == 0xFFFF {
			return nil, fmt.Errorf("badge contains the character %U, which is not allowed in XML (XML 1.0, section 2.2)", r)
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

// inText writes characters that CDATA cannot contain: its end mark, and a carriage return, which XML parsers convert to
// a line feed (XML 1.0, section 2.11).
var inText = strings.NewReplacer("]]>", "]]]]><![CDATA[>", "\r", "]]>&#13;<![CDATA[")

func appendElement(out, payload []byte, name xml.Name) []byte {
	if isJSON(payload) {
		return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s"><![CDATA[%s]]></openbadges:%[1]s>`, name.Local,
			name.Space, inText.Replace(string(payload)))
	}
	return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s" verify="%s"/>`, name.Local, name.Space, payload)
}
