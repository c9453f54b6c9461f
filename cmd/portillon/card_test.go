package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"

	"portillon/rfid"
	"portillon/rfid/strong/strongtest"
)

// model is a simulated card. A file stores the state of the card between two commands of a transcript.
type model struct {
	*strongtest.Card
	path string
}

// openModel opens model:ntag424, model:desfire, model:desfire-ev1 or model:plain. A text after a slash, such as
// model:ntag424/empty, selects an empty reader or a faulty card.
func openModel(spec string) (talker, error) {
	name, isModel := strings.CutPrefix(spec, "model:")
	if !isModel {
		return openTalker(spec)
	}
	name, does, _ := strings.Cut(name, "/")
	c := strongtest.New(strongtest.Kind(name), [7]byte{0x04, 0x78, 0x2E, 0x21, 0x80, 0x1D, 0x80})
	path := name + ".card"
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	switch does {
	case "clone":
		c.Shown[6]++
	case "leaves":
		c.Fault = strongtest.Leaves(3, true)
	case "delay":
		c.Delay = 1
	case "gone":
		return nil, errors.New("open model: no such device")
	case "empty":
		return empty{}, nil
	}
	return model{c, path}, nil
}

// Close stores the card's state in its file.
func (m model) Close() error {
	m.Shown = m.UID
	b, err := json.Marshal(m.Card)
	if err != nil {
		return err
	}
	return os.WriteFile(m.path, b, 0o600)
}

// empty is a simulated reader without a card.
type empty struct{}

func (empty) Poll(context.Context) (rfid.UID, bool, error)     { return rfid.UID{}, false, nil }
func (empty) Exchange(context.Context, []byte) ([]byte, error) { return nil, strongtest.ErrGone }
func (empty) Close() error                                     { return nil }
