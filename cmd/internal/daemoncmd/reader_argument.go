package daemoncmd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portillon/rfid"
	"portillon/yamlfile"
)

// ReaderHint returns a text that tells a person how to name a reader on the command line.
func ReaderHint() string {
	forms := []string{"MACHINE.yaml"}
	for _, s := range readerSpecs() {
		forms = append(forms, s.Example)
	}
	last := len(forms) - 1
	return strings.Join(forms[:last], ", ") + " or " + forms[last]
}

// ReaderArgument returns the reader that a command line names, by a machine.yaml or as KIND:PORT. The argument options
// contains values of further keys, such as format of a keyboard or bits of a Wiegand reader. Empty values are ignored.
// ReaderArgument rejects all values that machine.yaml would reject.
func ReaderArgument(arg string, options rfid.Values) (ReaderConfig, error) {
	if strings.HasSuffix(arg, ".yaml") {
		c, err := ReadConfig(arg)
		if err == nil && c.Reader.readerOpener() == nil {
			err = fmt.Errorf("%s: reader: kind is none, want a machine.yaml that names a reader", arg)
		}
		return c.Reader, err
	}
	kind, rest, named := strings.Cut(arg, ":")
	spec, known := specOf(kind)
	if !known || !named {
		return ReaderConfig{}, fmt.Errorf("argument %q does not name a reader: %s", arg, ReaderHint())
	}
	values := rfid.Values{rfid.KeyPort: rest}
	if spec.Argument != nil {
		var err error
		if values, err = spec.Argument(rest); err != nil {
			return ReaderConfig{}, err
		}
	}
	fields := []string{"kind: " + kind}
	for _, from := range []rfid.Values{values, options} {
		for _, key := range slices.Sorted(maps.Keys(from)) {
			if from[key] != "" {
				fields = append(fields, key+": "+singleQuoted(from[key]))
			}
		}
	}
	d := yamlfile.Parse("--reader", []byte("{ "+strings.Join(fields, ", ")+" }"))
	c := parseReader(d.Root(), yamlfile.Node.Str)
	return c, d.Err()
}

// Line returns this reader's line for a machine.yaml.
func (c ReaderConfig) Line() string {
	return "reader: " + readerSection(c.spec(), c.Values, singleQuoted)
}

// OpenFor opens the reader for a test. The function heard receives all data that the reader sends, and the function
// unread receives input that is not a card number.
func (c ReaderConfig) OpenFor(heard func(string), unread func(rfid.Unread)) (rfid.Reader, error) {
	c.host.Heard, c.host.Unread = heard, unread
	open := c.readerOpener()
	if open == nil {
		return nil, errors.New("reader: kind is none, want a kind such as pn532")
	}
	return open()
}
