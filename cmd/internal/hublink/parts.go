package hublink

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"portillon/wire"
)

// chunkPatience is the time limit for the transfer of one chunk.
const chunkPatience = time.Minute

// Chunks returns a source that fetches chunks from the hub until ctx ends.
func (l *Link) Chunks(ctx context.Context) wire.PartSource { return source{l, ctx} }

// source stores the context of an installation, because the methods of wire.PartSource have no argument for a context.
type source struct {
	l   *Link
	ctx context.Context
}

// ask requests one chunk or part.
func (s source) ask(method, path string, body []byte, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, chunkPatience)
	defer cancel()
	return s.l.ask(ctx, method, path, body, limit)
}

// Whole implements wire.PartSource.
func (s source) Whole(c wire.Chunk) ([]byte, error) {
	return s.ask(http.MethodGet, "chunks/"+c.SHA256, nil, c.Size)
}

// Outline implements wire.PartSource.
func (s source) Outline(c wire.Chunk) ([]byte, error) {
	b, err := s.ask(http.MethodGet, "chunks/"+c.SHA256+"/parts", nil, wire.MaxOutline)
	return b, noParts(err)
}

// Parts implements wire.PartSource.
func (s source) Parts(c wire.Chunk, hashes []string) ([]byte, error) {
	ask, err := json.Marshal(wire.PartsAsk{Parts: hashes})
	if err != nil {
		return nil, err
	}
	b, err := s.ask(http.MethodPost, "chunks/"+c.SHA256+"/parts", ask, c.Size)
	return b, noParts(err)
}

// noParts reports whether an error means that the hub was reached but does not support requests for parts.
func noParts(err error) error {
	var refused *Refused
	if !errors.As(err, &refused) || refused.Code != "" {
		return err
	}
	switch refused.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return wire.ErrNoParts
	case http.StatusBadRequest:
		return wire.ErrFetchWhole
	}
	return err
}

// Close closes idle connections.
func (l *Link) Close() { l.http.CloseIdleConnections() }
