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

// These constants limit how deep the elements of an SVG may be nested, and how many XML tokens an SVG may have.
const (
	maxDepth  = 100
	maxTokens = 100_000
)

// elementOf returns the name of the XML element that stores a badge of this version.
func elementOf(v Version) xml.Name {
	if v == OB3 {
		return xml.Name{Space: "https://purl.imsglobal.org/ob/v3p0", Local: "credential"} // Open Badges 3.0, «Baked Badge»
	}
	return xml.Name{Space: "http://openbadges.org", Local: "assertion"} // Open Badges 2.0, «Baking Specification»
}

var root = xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}

// element is an XML element that contains a badge.
type element struct {
	start, end int // positions of the element's start and end in the file, in bytes
	depth      int
	name       xml.Name
	verify     []string
	body       []byte
	nested     bool // the element contains other elements, which makes the badge invalid
}

// svgReader holds the state while an SVG is read.
type svgReader struct {
	image  []byte
	depth  int
	typed  bool // a DOCTYPE was read
	inside int  // position after the root's start tag, in bytes; 0 until the root was read
	badges []element
	open   *element // the badge element that is being read, or nil
}

// readSVG reads a whole SVG, checks its form, and finds the badges in it.
func readSVG(image []byte) (*svgReader, error) {
	if err := checkSize(image, MaxSVG); err != nil {
		return nil, err
	}
	if !utf8.Valid(image) {
		return nil, errors.New("SVG is not UTF-8")
	}
	mark := len(image) - len(withoutMark(image))
	d := xml.NewDecoder(bytes.NewReader(image[mark:]))
	s := &svgReader{image: image}
	for n := 0; ; n++ {
		start := mark + int(d.InputOffset())
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.processToken(t, start, mark+int(d.InputOffset()))
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

// processToken processes the XML token from byte start to byte end.
func (s *svgReader) processToken(t xml.Token, start, end int) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.startElement(t, start, end)
	case xml.EndElement:
		s.endElement(end)
	case xml.CharData:
		if s.depth == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("SVG has text outside the root element")
		}
		if s.open != nil {
			s.open.body = append(s.open.body, t...)
		}
	case xml.Directive:
		return s.checkDirective(t)
	}
	return nil
}

// checkDirective accepts a DOCTYPE only if it names a DTD and declares nothing; the package never fetches the DTD. An
// internal subset of the DOCTYPE could declare entities and default attributes. Programs that support internal
// subsets and programs that do not would then read two different documents.
func (s *svgReader) checkDirective(t xml.Directive) error {
	if s.typed || s.inside > 0 || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
		return errors.New("SVG has a misplaced declaration")
	}
	if bytes.ContainsAny(t, "[<") {
		return errors.New("DOCTYPE of the SVG has declarations, such as entities, want only the name of a DTD")
	}
	s.typed = true
	return nil
}

// startElement processes a start tag.
func (s *svgReader) startElement(t xml.StartElement, start, end int) error {
	s.depth++
	switch {
	case s.depth > maxDepth:
		return fmt.Errorf("%w: nested more than %d deep", ErrTooLarge, maxDepth)
	case s.depth == 1 && s.inside > 0:
		return errors.New("trailing data after the SVG")
	case s.depth == 1 && t.Name != root:
		return fmt.Errorf("root element of the SVG is %.60q, want svg", t.Name.Local)
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

// endElement processes an end tag.
func (s *svgReader) endElement(end int) {
	if s.open != nil && s.open.depth == s.depth {
		s.open.end, s.open = end, nil
	}
	s.depth--
}

// extractSVG returns the only badge in an SVG.
func extractSVG(image []byte) ([]byte, error) {
	s, err := readSVG(image)
	if err != nil {
		return nil, err
	}
	if err := requireOne(len(s.badges)); err != nil {
		return nil, err
	}
	return s.badges[0].badge()
}

// badge returns the text of the element or, if the text is empty, the value of the attribute verify. Open Badges 2.0
// writes a badge's URL in verify beside the JSON text, so both may be present. A token in the attribute verify beside
// JSON text would be a second badge.
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

// bakeSVG writes the badge as the first child of the root, and copies everything else except existing badges.
func bakeSVG(image, payload []byte, v Version) ([]byte, error) {
	s, err := readSVG(image)
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
	if err := checkSize(out, MaxSVG); err != nil {
		return nil, err
	}
	return out, nil
}

// cdataEscaper escapes what CDATA cannot contain: the end mark of CDATA, and a carriage return, which XML parsers
// convert to a line feed (XML 1.0, section 2.11).
var cdataEscaper = strings.NewReplacer("]]>", "]]]]><![CDATA[>", "\r", "]]>&#13;<![CDATA[")

func appendElement(out, payload []byte, name xml.Name) []byte {
	if isJSON(payload) {
		return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s"><![CDATA[%s]]></openbadges:%[1]s>`, name.Local,
			name.Space, cdataEscaper.Replace(string(payload)))
	}
	return fmt.Appendf(out, `<openbadges:%s xmlns:openbadges="%s" verify="%s"/>`, name.Local, name.Space, payload)
}
